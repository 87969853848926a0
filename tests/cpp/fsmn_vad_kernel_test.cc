// The scorer's kernel, for every instruction set of this processor, against plain loops in double.
#include "kernels/fsmn_vad_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "check.h"

namespace safeasr::kernels {
namespace {

using Values = std::vector<double>;

std::vector<int> Lanes() {
  std::vector<int> lanes;
  for (const int one : {4, 8, 16}) {
    if (one <= SimdLanes()) lanes.push_back(one);
  }
  return lanes;
}

struct Weights {
  explicit Weights(const FsmnVadSizes& s, unsigned seed) : random(seed) {
    Linear(s.input, s.input_affine, true);
    Linear(s.input_affine, s.linear, true);
    for (std::int64_t i = 0; i < s.layers; ++i) {
      Linear(s.linear, s.proj, false);
      Rows(s.past + 1, s.proj, 0.3);
      Linear(s.proj, s.linear, true);
    }
    Linear(s.linear, s.output_affine, true);
    Linear(s.output_affine, s.classes, true);
  }

  void Linear(std::int64_t in, std::int64_t out, bool bias) {
    Rows(in, out, 1 / std::sqrt(static_cast<double>(in)));
    if (bias) Rows(1, out, 0.1);
  }

  void Rows(std::int64_t rows, std::int64_t out, double scale) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t i = 0; i < FsmnVadPadded(out); ++i) {
        values.push_back(i < out ? static_cast<float>(normal(random) * scale) : 0.0f);
      }
    }
  }

  std::mt19937 random;
  std::normal_distribution<double> normal;
  std::vector<float> values;
};

// The network once more, the slow way, over a whole stream.
class Reference {
 public:
  Reference(const FsmnVadSizes& s, const FsmnVadNetwork& net) : s_(s), net_(net) {}

  Values Run(const std::vector<float>& features, std::int64_t rows) const {
    Values x(features.begin(), features.end());
    x = Linear(net_.in2, Linear(net_.in1, x, rows, false), rows, true);
    for (const FsmnVadNetwork::Layer& layer : net_.layers) {
      const Values p = Linear(layer.project, x, rows, false);
      Values y(p.size());
      for (std::int64_t t = 0; t < rows; ++t) {
        for (std::int64_t c = 0; c < s_.proj; ++c) {
          double sum = p[Index(t, s_.proj, c)];
          for (std::int64_t k = 0; k <= s_.past; ++k) {
            const std::int64_t from = t + k - s_.past;
            if (from < 0) continue;
            sum += layer.taps[k * FsmnVadPadded(s_.proj) + c] * p[Index(from, s_.proj, c)];
          }
          y[Index(t, s_.proj, c)] = sum;
        }
      }
      x = Linear(layer.affine, y, rows, true);
    }
    x = Linear(net_.out2, Linear(net_.out1, x, rows, false), rows, false);
    for (std::int64_t t = 0; t < rows && s_.softmax; ++t) {
      double sum = 0;
      for (std::int64_t c = 0; c < s_.classes; ++c) sum += std::exp(x[Index(t, s_.classes, c)]);
      for (std::int64_t c = 0; c < s_.classes; ++c) {
        x[Index(t, s_.classes, c)] = std::exp(x[Index(t, s_.classes, c)]) / sum;
      }
    }
    return x;
  }

 private:
  static std::size_t Index(std::int64_t row, std::int64_t width, std::int64_t column) {
    return static_cast<std::size_t>(row * width + column);
  }

  static Values Linear(const FsmnVadNetwork::Linear& w, const Values& x, std::int64_t rows,
                       bool relu) {
    Values y(static_cast<std::size_t>(rows * w.out));
    for (std::int64_t t = 0; t < rows; ++t) {
      for (std::int64_t n = 0; n < w.out; ++n) {
        double sum = w.bias == nullptr ? 0.0 : w.bias[n];
        for (std::int64_t k = 0; k < w.in; ++k) {
          sum += w.matrix[k * FsmnVadPadded(w.out) + n] * x[Index(t, w.in, k)];
        }
        y[Index(t, w.out, n)] = relu ? std::max(sum, 0.0) : sum;
      }
    }
    return y;
  }

  const FsmnVadSizes s_;
  const FsmnVadNetwork& net_;
};

struct Stream {
  Stream(const FsmnVadSizes& s, std::int64_t count, unsigned seed)
      : rows(count),
        features(static_cast<std::size_t>(count * s.input)),
        cache(static_cast<std::size_t>(s.layers * s.past * s.proj)),
        scores(static_cast<std::size_t>(count * s.classes), -1.0f) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (float& f : features) f = normal(random);
  }

  FsmnVadPiece Piece(const FsmnVadSizes& s, std::int64_t begin, std::int64_t count) {
    return {features.data() + begin * s.input, cache.data(), scores.data() + begin * s.classes,
            count};
  }

  std::int64_t rows;
  std::vector<float> features, cache, scores;
};

void Score(const FsmnVadNetwork& net, const std::vector<FsmnVadPiece>& pieces, int lanes) {
  std::int64_t rows = 0;
  for (const FsmnVadPiece& piece : pieces) rows += piece.rows;
  // Exactly what was asked for, so that a sanitizer sees one float too many.
  const auto count = static_cast<std::size_t>(FsmnVadScratch(net.sizes, rows));
  const std::unique_ptr<float[]> scratch(new float[count]);
  ScoreFsmnVad(net, pieces, scratch.get(), lanes);
}

const FsmnVadSizes kSizes[] = {
    {40, 24, 2, 33, 20, 9, 17, 50, true},
    {16, 16, 1, 16, 16, 1, 16, 16, true},
    {7, 1, 3, 2, 1, 6, 3, 2, true},
    {33, 80, 1, 100, 70, 19, 50, 65, false},
};

TEST(EqualsPlainLoops) {
  for (const FsmnVadSizes& s : kSizes) {
    const Weights weights(s, 1);
    const FsmnVadNetwork net(s, weights.values.data(),
                             static_cast<std::int64_t>(weights.values.size()));
    for (const std::int64_t rows : {1, 2, 5, 6, 7, 8, 9, 239, 240, 241, 500}) {
      Stream stream(s, rows, static_cast<unsigned>(rows));
      const Values expected = Reference(s, net).Run(stream.features, rows);
      for (const int lanes : Lanes()) {
        std::fill(stream.cache.begin(), stream.cache.end(), 0.0f);
        Score(net, {stream.Piece(s, 0, rows)}, lanes);
        double error = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
          error = std::max(error, std::abs(stream.scores[i] - expected[i]));
        }
        CHECK(error < 2e-5);
      }
    }
  }
}

TEST(CutsAndCompanyChangeNoBit) {
  std::mt19937 random(2);
  for (const FsmnVadSizes& s : kSizes) {
    const Weights weights(s, 3);
    const FsmnVadNetwork net(s, weights.values.data(),
                             static_cast<std::int64_t>(weights.values.size()));
    for (const int lanes : Lanes()) {
      std::vector<Stream> alone, together;
      for (unsigned i = 0; i < 7; ++i) {
        alone.emplace_back(s, 1 + random() % 400, i);
        together.push_back(alone.back());
        Score(net, {alone.back().Piece(s, 0, alone.back().rows)}, lanes);
      }
      std::vector<std::int64_t> done(together.size(), 0);
      for (bool more = true; more;) {
        std::vector<FsmnVadPiece> pieces;
        more = false;
        for (std::size_t i = 0; i < together.size(); ++i) {
          const std::int64_t rows =
              std::min<std::int64_t>(random() % 90, together[i].rows - done[i]);
          pieces.push_back(together[i].Piece(s, done[i], rows));  // sometimes of no rows
          done[i] += rows;
          more = more || done[i] < together[i].rows;
        }
        Score(net, pieces, lanes);
      }
      for (std::size_t i = 0; i < alone.size(); ++i) {
        CHECK(together[i].scores == alone[i].scores);
        CHECK(together[i].cache == alone[i].cache);
      }
    }
  }
}

TEST(ExtremeScores) {
  const FsmnVadSizes s = kSizes[0];
  Weights weights(s, 4);
  for (const float factor : {1e3f, 1e8f}) {
    // The last layer's matrix and row.
    const auto last = FsmnVadPadded(s.classes) * (s.output_affine + 1);
    for (auto w = weights.values.end() - last; w != weights.values.end(); ++w) *w *= factor;
    const FsmnVadNetwork net(s, weights.values.data(),
                             static_cast<std::int64_t>(weights.values.size()));
    for (const int lanes : Lanes()) {
      Stream stream(s, 100, 5);
      Score(net, {stream.Piece(s, 0, 100)}, lanes);
      for (std::int64_t t = 0; t < 100; ++t) {
        double sum = 0;
        for (std::int64_t c = 0; c < s.classes; ++c) {
          const float p = stream.scores[static_cast<std::size_t>(t * s.classes + c)];
          CHECK(p >= 0 && p <= 1);
          sum += p;
        }
        CHECK(std::abs(sum - 1) < 1e-5);
      }
    }
  }
}

TEST(WeightsThatDoNotFitAreRefused) {
  const FsmnVadSizes s = kSizes[0];
  const auto count = static_cast<std::int64_t>(Weights(s, 1).values.size());
  CHECK_EQ(FsmnVadNetwork(s, nullptr, count).layers.size(), 2u);
  CHECK_THROWS(FsmnVadNetwork(s, nullptr, count - 1), std::invalid_argument);
  FsmnVadSizes other = s;
  other.layers = 0;
  CHECK_THROWS(FsmnVadNetwork(other, nullptr, count), std::invalid_argument);
  other = s;
  other.proj = 1 << 20;
  CHECK_THROWS(FsmnVadNetwork(other, nullptr, count), std::invalid_argument);
}

}  // namespace
}  // namespace safeasr::kernels
