// Attention with relative positions, and gates, against plain loops in double, on every instruction
// set of the machine.
#include "kernels/relative_attention_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "check.h"
#include "kernels/gate_kernel.h"
#include "kernels/simd.h"

namespace safeasr::kernels {
namespace {

using Floats = std::vector<float>;

Floats Random(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  Floats values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

struct Case {
  std::int64_t rows, depth;
  RelativeKind kind;
  // Rows are further apart than they are long.
  std::int64_t stride() const { return depth + 3; }
  std::int64_t positions() const { return kind == RelativeKind::kByDistance ? 2 * rows - 1 : rows; }
  Floats q, k, v, p, content, position;

  void Fill() {
    q = Random(rows * stride(), 1);
    k = Random(rows * stride(), 2);
    v = Random(rows * stride(), 3);
    p = Random(positions() * stride(), 4);
    content = Random(depth, 5);
    position = Random(depth, 6);
  }

  float scale() const { return 1.0f / std::sqrt(static_cast<float>(depth)); }

  double Dot(const Floats& a, std::int64_t i, const Floats& bias, const Floats& b,
             std::int64_t j) const {
    double sum = 0;
    for (std::int64_t c = 0; c < depth; ++c) {
      sum += (static_cast<double>(a[i * stride() + c]) + bias[c]) * b[j * stride() + c];
    }
    return sum;
  }

  double Score(std::int64_t i, std::int64_t j) const {
    double score = Dot(q, i, content, k, j);
    if (kind == RelativeKind::kByDistance || j <= i) {
      score += Dot(q, i, position, p, rows - 1 - i + j);
    } else if (j >= i + 2) {
      score += Dot(q, i + 1, position, p, j - i - 2);
    }
    return score * scale();
  }

  Floats Plain() const {
    Floats out;
    for (std::int64_t i = 0; i < rows; ++i) {
      std::vector<double> weights;
      double sum = 0;
      for (std::int64_t j = 0; j < rows; ++j) {
        weights.push_back(std::exp(Score(i, j)));
        sum += weights.back();
      }
      for (std::int64_t c = 0; c < depth; ++c) {
        double value = 0;
        for (std::int64_t j = 0; j < rows; ++j) value += weights[j] * v[j * stride() + c];
        out.push_back(static_cast<float>(value / sum));
      }
    }
    return out;
  }

  Floats ByKernel(int lanes) const {
    Floats out(static_cast<std::size_t>(rows * depth)),
        scratch(static_cast<std::size_t>(RelativeScratch(rows, depth, kind)));
    AttendRelative({q.data(), k.data(), v.data(), stride(), stride(), stride(), p.data(), stride(),
                    content.data(), position.data(), out.data(), depth, rows, depth, scale(), kind,
                    scratch.data()},
                   lanes);
    return out;
  }
};

TEST(AttentionIsThatOfPlainLoops) {
  for (const RelativeKind kind : {RelativeKind::kByDistance, RelativeKind::kShifted}) {
    for (const std::int64_t rows : {1, 2, 16, 23, 24, 25, 49, 100}) {
      for (const std::int64_t depth : {1, 4, 16, 21}) {
        Case one{rows, depth, kind, {}, {}, {}, {}, {}, {}};
        one.Fill();
        const Floats expected = one.Plain();
        for (int lanes = 4; lanes <= SimdLanes(); lanes *= 2) {
          const Floats found = one.ByKernel(lanes);
          double worst = 0;
          for (std::size_t n = 0; n < found.size(); ++n) {
            worst = std::max(worst, std::abs(static_cast<double>(found[n]) - expected[n]));
          }
          CHECK(worst < 3e-6);
        }
      }
    }
  }
}

TEST(GatesAreThoseOfPlainLoops) {
  for (const std::int64_t size : {1, 3, 4, 15, 16, 33}) {
    const std::int64_t rows = 3, stride = 2 * size + 1;
    Floats values = Random(rows * stride, 7);
    for (float& value : values) value *= 20;
    for (int lanes = 4; lanes <= SimdLanes(); lanes *= 2) {
      Floats out(static_cast<std::size_t>(rows * size));
      Gate({values.data(), stride, values.data() + size, stride, out.data(), rows, size}, lanes);
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t c = 0; c < size; ++c) {
          const double x = values[r * stride + c], by = values[r * stride + size + c];
          const double expected = x / (1 + std::exp(-by));
          CHECK(std::abs(out[r * size + c] - expected) <= 1e-6 * (1 + std::abs(expected)));
        }
      }
    }
  }
}

}  // namespace
}  // namespace safeasr::kernels
