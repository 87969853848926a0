// Attention of a head, for every instruction set of this processor, against plain loops in double.
#include "kernels/attention_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "check.h"
#include "lanes.h"

namespace safeasr::kernels {
namespace {

// A head of rows that hold other channels too, and whose keys and values lie in no order.
template <class T>
struct Rows {
  Rows(std::int64_t queries_, std::int64_t keys_, std::int64_t depth_, unsigned seed,
       float spread = 1)
      : queries(queries_),
        keys_count(keys_),
        depth(depth_),
        q(RandomNumbers<T>(queries_ * Stride(), seed, spread)),
        k(RandomNumbers<T>(keys_ * Stride(), seed + 1, spread)),
        v(RandomNumbers<T>(keys_ * Stride(), seed + 2)),
        out(static_cast<std::size_t>(queries_ * Stride()), Rounded<T>(7.0f)) {
    for (std::int64_t j = 0; j < keys_count; ++j) {
      const std::int64_t row = keys_count - 1 - j;
      keys.push_back(k.data() + row * Stride());
      values.push_back(v.data() + row * Stride());
    }
  }

  std::int64_t Stride() const { return depth + 3; }

  // Some of the queries, counted from the first.
  void Run(std::int64_t count, int lanes, float scale = 0.3f) {
    // Exactly what was asked for, so that a sanitizer sees one float too many.
    const auto room = static_cast<std::size_t>(AttentionScratch(count, keys_count, depth));
    const std::unique_ptr<float[]> scratch(new float[room]);
    AttendHead(HeadAttention<T>{q.data(), Stride(), out.data(), Stride(), count, keys.data(),
                                values.data(), keys_count, depth, scale, scratch.get(),
                                places.empty() ? nullptr : places.data(), slope},
               lanes);
  }

  T Out(std::int64_t query, std::int64_t channel) const {
    return out[static_cast<std::size_t>(query * Stride() + channel)];
  }

  std::vector<double> Expected(std::int64_t query, double scale = 0.3f) const {
    std::vector<double> y(static_cast<std::size_t>(depth), 0.0), weights;
    double highest = -1e300, sum = 0;
    for (const T* key : keys) {
      double dot = 0;
      for (std::int64_t c = 0; c < depth; ++c) {
        dot += double{Widened(q[static_cast<std::size_t>(query * Stride() + c)])} * Widened(key[c]);
      }
      const std::size_t j = weights.size(), i = static_cast<std::size_t>(query);
      const bool placed = !places.empty() && places[i] >= 0 && places[j] >= 0;
      const double cost = placed ? slope * std::abs(double{places[i]} - places[j]) : 0;
      weights.push_back(dot * scale - cost);
      highest = std::max(highest, weights.back());
    }
    for (double& w : weights) sum += w = std::exp(w - highest);
    for (std::size_t j = 0; j < weights.size(); ++j) {
      for (std::int64_t c = 0; c < depth; ++c) {
        y[static_cast<std::size_t>(c)] += weights[j] / sum * Widened(values[j][c]);
      }
    }
    return y;
  }

  std::int64_t queries, keys_count, depth;
  std::vector<T> q, k, v, out;
  std::vector<const T*> keys, values;
  std::vector<float> places;  // of the rows, as many as there are keys; none: nowhere
  float slope = 0;
};

// Values are normal numbers, at most about 4. Where weights are rounded to bfloat16, a result may
// be off by half a unit of its weights, beside its own rounding.
template <class T>
double Tolerance();
template <>
double Tolerance<float>() {
  return 1e-5;
}
template <>
double Tolerance<BFloat16>() {
  return 4.0 / 512;
}

template <class T>
void CheckAll() {
  for (const int lanes : Lanes()) {
    for (const std::int64_t depth : {1, 3, 4, 7, 16, 17, 32, 48, 64, 80, 128, 130, 144}) {
      // Few are done one by one, 32 and more (4 in bfloat16) in tiles of 24.
      for (const std::int64_t queries : {1, 3, 4, 15, 31, 32, 48, 53, 55}) {
        for (const std::int64_t keys : {1, 2, 4, 5, 16, 17, 39, 64, 101}) {
          Rows<T> rows(queries, keys, depth, static_cast<unsigned>(queries + keys + depth));
          rows.Run(queries, lanes);
          double error = 0;
          for (std::int64_t i = 0; i < queries; ++i) {
            const std::vector<double> expected = rows.Expected(i);
            for (std::int64_t c = 0; c < depth; ++c) {
              const double right = expected[static_cast<std::size_t>(c)];
              error =
                  std::max(error, std::abs(Widened(rows.Out(i, c)) - right) - Rounding<T>(right));
            }
            for (std::int64_t c = depth; c < rows.Stride(); ++c) {
              CHECK_EQ(Widened(rows.Out(i, c)), 7.0f);  // not this head's
            }
          }
          CHECK(error <= Tolerance<T>());
        }
      }
    }
  }
}

TEST(EqualsPlainLoops) { CheckAll<float>(); }
TEST(EqualsPlainLoopsInBfloat16) { CheckAll<BFloat16>(); }

template <class T>
void CheckWithoutKeys() {
  for (const int lanes : Lanes()) {
    for (const std::int64_t queries : {1, 40}) {
      Rows<T> rows(queries, 0, 16, 1);
      rows.Run(queries, lanes);
      for (std::int64_t i = 0; i < queries; ++i) {
        for (std::int64_t c = 0; c < 16; ++c) CHECK_EQ(Widened(rows.Out(i, c)), 0.0f);
      }
    }
  }
}

TEST(WithoutKeysComeZeros) {
  CheckWithoutKeys<float>();
  CheckWithoutKeys<BFloat16>();
}

template <class T>
void CheckExtremes() {
  for (const int lanes : Lanes()) {
    for (const std::int64_t queries : {2, 40}) {
      // Scores of thousands: one key takes all, and no exponential overflows.
      Rows<T> rows(queries, 37, 64, 5, 100);
      rows.Run(queries, lanes);
      for (std::int64_t i = 0; i < queries; ++i) {
        const std::vector<double> expected = rows.Expected(i);
        for (std::int64_t c = 0; c < 64; ++c) {
          const double right = expected[static_cast<std::size_t>(c)];
          // Two keys of nearly the same score share by the rounding of a number in the thousands.
          CHECK(std::abs(Widened(rows.Out(i, c)) - right) <= 0.05 + Rounding<T>(right));
        }
      }
    }
  }
}

TEST(ExtremeScores) {
  CheckExtremes<float>();
  CheckExtremes<BFloat16>();
}

template <class T>
void CheckDistances() {
  for (const int lanes : Lanes()) {
    for (const std::int64_t depth : {7, 16, 64}) {
      for (const std::int64_t rows : {1, 3, 5, 17, 31, 40, 101}) {
        Rows<T> all(rows, rows, depth, static_cast<unsigned>(rows + depth));
        for (std::int64_t t = 0; t < rows; ++t) {
          all.places.push_back(t % 7 == 6 ? -1.0f : static_cast<float>(t + 1));
        }
        all.slope = 0.35f;
        all.Run(rows, lanes);
        for (std::int64_t i = 0; i < rows; ++i) {
          const std::vector<double> expected = all.Expected(i);
          for (std::int64_t c = 0; c < depth; ++c) {
            const double right = expected[static_cast<std::size_t>(c)];
            CHECK(std::abs(Widened(all.Out(i, c)) - right) <= Tolerance<T>() + Rounding<T>(right));
          }
        }
      }
    }
  }
}

TEST(ScoresFallWithDistance) {
  CheckDistances<float>();
  CheckDistances<BFloat16>();
}

// Numbers of queries that are done in one way: few of them and all.
using Company = std::vector<std::pair<int, int>>;

template <class T>
void CheckCompany(const Company& company) {
  for (const int lanes : Lanes()) {
    for (const std::int64_t depth : {7, 64, 80}) {
      for (const auto& [few, many] : company) {
        Rows<T> alone(many, 45, depth, 9), together(many, 45, depth, 9);
        alone.Run(few, lanes);
        together.Run(many, lanes);
        for (std::int64_t i = 0; i < few; ++i) {
          for (std::int64_t c = 0; c < depth; ++c) {
            CHECK(SameBits(alone.Out(i, c), together.Out(i, c)));
          }
        }
      }
    }
  }
}

TEST(OtherQueriesChangeNoBit) {
  CheckCompany<float>({{1, 31}, {33, 70}});
  CheckCompany<BFloat16>({{1, 3}, {4, 31}, {5, 15}, {33, 70}});
}

}  // namespace
}  // namespace safeasr::kernels
