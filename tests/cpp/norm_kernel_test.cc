// LayerNorm, for every instruction set of this processor, against plain loops in double.
#include "kernels/norm_kernel.h"

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "check.h"
#include "lanes.h"

namespace safeasr::kernels {
namespace {

constexpr float kEpsilon = 1e-5f;
const std::int64_t kSizes[] = {1, 2, 3, 4, 5, 15, 16, 17, 31, 33, 64, 100, 513};

struct Weights {
  explicit Weights(std::int64_t size)
      : weight(RandomNumbers<float>(size, 1)), bias(RandomNumbers<float>(size, 2)) {}
  std::vector<float> weight, bias;
};

// One row; `x` as it is after the sum.
template <class T>
std::vector<double> Reference(const T* x, std::int64_t size, const Weights& w) {
  double mean = 0, square = 0;
  for (std::int64_t c = 0; c < size; ++c) mean += Widened(x[c]);
  mean /= static_cast<double>(size);
  for (std::int64_t c = 0; c < size; ++c) square += (Widened(x[c]) - mean) * (Widened(x[c]) - mean);
  const double rate = 1 / std::sqrt(square / static_cast<double>(size) + kEpsilon);
  std::vector<double> y;
  for (std::int64_t c = 0; c < size; ++c) {
    const auto i = static_cast<std::size_t>(c);
    y.push_back((Widened(x[c]) - mean) * rate * w.weight[i] + w.bias[i]);
  }
  return y;
}

template <class T, class Out>
void CheckRows(const T* x, const std::vector<Out>& out, std::int64_t rows, std::int64_t size,
               const Weights& w) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::vector<double> expected = Reference(x + r * size, size, w);
    for (std::int64_t c = 0; c < size; ++c) {
      const double right = expected[static_cast<std::size_t>(c)];
      const double error = std::abs(Widened(out[static_cast<std::size_t>(r * size + c)]) - right);
      CHECK(error <= 1e-5 * (1 + std::abs(right)) + Rounding<Out>(right));
    }
  }
}

template <class Out>
void CheckWide(std::int64_t rows, std::int64_t size, int lanes) {
  const Weights w(size);
  const std::vector<float> x = RandomNumbers<float>(rows * size, 3, 2, 0.5f);
  std::vector<Out> out(x.size());
  NormalizeRows(NormRows{x.data(), nullptr, false, nullptr, w.weight.data(), w.bias.data(),
                         kEpsilon, out.data(), std::is_same_v<Out, BFloat16>, rows, size},
                lanes);
  CheckRows(x.data(), out, rows, size, w);
}

template <class In, class Out>
void CheckSum(std::int64_t rows, std::int64_t size, int lanes) {
  const Weights w(size);
  const std::vector<float> x = RandomNumbers<float>(rows * size, 4, 2, 0.5f);
  const std::vector<In> update = RandomNumbers<In>(rows * size, 5);
  std::vector<float> sum(x.size());
  std::vector<Out> out(x.size());
  NormalizeRows(
      NormRows{x.data(), update.data(), std::is_same_v<In, BFloat16>, sum.data(), w.weight.data(),
               w.bias.data(), kEpsilon, out.data(), std::is_same_v<Out, BFloat16>, rows, size},
      lanes);
  for (std::size_t i = 0; i < x.size(); ++i) CHECK_EQ(sum[i], x[i] + Widened(update[i]));
  CheckRows(sum.data(), out, rows, size, w);
}

template <class Out>
void CheckNarrow(std::int64_t rows, std::int64_t size, int lanes) {
  const Weights w(size);
  const std::vector<BFloat16> x = RandomNumbers<BFloat16>(rows * size, 6, 2, 0.5f);
  std::vector<Out> out(x.size());
  NormalizeRows(NarrowNormRows{x.data(), w.weight.data(), w.bias.data(), kEpsilon, out.data(),
                               std::is_same_v<Out, BFloat16>, rows, size},
                lanes);
  CheckRows(x.data(), out, rows, size, w);
}

TEST(EqualsPlainLoops) {
  for (const int lanes : Lanes()) {
    for (const std::int64_t size : kSizes) {
      for (const std::int64_t rows : {1, 4}) {
        CheckWide<float>(rows, size, lanes);
        CheckWide<BFloat16>(rows, size, lanes);
        CheckNarrow<float>(rows, size, lanes);
        CheckNarrow<BFloat16>(rows, size, lanes);
        CheckSum<float, float>(rows, size, lanes);
        CheckSum<float, BFloat16>(rows, size, lanes);
        CheckSum<BFloat16, float>(rows, size, lanes);
        CheckSum<BFloat16, BFloat16>(rows, size, lanes);
      }
    }
  }
}

TEST(NoRowsTouchNothing) {
  for (const int lanes : Lanes()) {
    NormalizeRows(NormRows{nullptr, nullptr, false, nullptr, nullptr, nullptr, kEpsilon, nullptr,
                           true, 0, 16},
                  lanes);
    NormalizeRows(NarrowNormRows{nullptr, nullptr, nullptr, kEpsilon, nullptr, false, 0, 16},
                  lanes);
  }
}

TEST(EqualNumbersGiveTheBias) {
  for (const int lanes : Lanes()) {
    for (const std::int64_t size : kSizes) {
      const Weights w(size);
      const std::vector<float> x(static_cast<std::size_t>(size), 2.0f);
      std::vector<float> out(x.size());
      NormalizeRows(NormRows{x.data(), nullptr, false, nullptr, w.weight.data(), w.bias.data(),
                             kEpsilon, out.data(), false, 1, size},
                    lanes);
      CHECK(out == w.bias);
    }
  }
}

TEST(ARowIsTheSameInAnyCompany) {
  constexpr std::int64_t kRows = 9;
  for (const int lanes : Lanes()) {
    for (const std::int64_t size : kSizes) {
      const Weights w(size);
      const std::vector<float> x = RandomNumbers<float>(kRows * size, 7);
      const std::vector<BFloat16> update = RandomNumbers<BFloat16>(kRows * size, 8);
      std::vector<float> sum(x.size()), sum_alone(static_cast<std::size_t>(size));
      std::vector<float> out(x.size()), alone(static_cast<std::size_t>(size));
      const auto run = [&](std::int64_t first, std::int64_t rows, float* s, float* y) {
        NormalizeRows(NormRows{x.data() + first * size, update.data() + first * size, true, s,
                               w.weight.data(), w.bias.data(), kEpsilon, y, false, rows, size},
                      lanes);
      };
      run(0, kRows, sum.data(), out.data());
      for (std::int64_t r = 0; r < kRows; ++r) {
        run(r, 1, sum_alone.data(), alone.data());
        for (std::int64_t c = 0; c < size; ++c) {
          CHECK_EQ(alone[static_cast<std::size_t>(c)], out[static_cast<std::size_t>(r * size + c)]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace safeasr::kernels
