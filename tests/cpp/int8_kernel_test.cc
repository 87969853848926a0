// Rows to 8 bit integers and back, for every instruction set of this processor.
#include "kernels/int8_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "check.h"
#include "lanes.h"

namespace safeasr::kernels {
namespace {

const std::int64_t kSizes[] = {1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 100, 513};

struct Quantized {
  Quantized(std::int64_t rows, std::int64_t size)
      : q(static_cast<std::size_t>(rows * size)),
        scales(static_cast<std::size_t>(rows)),
        zero_points(static_cast<std::size_t>(rows)) {}
  std::vector<std::uint8_t> q;
  std::vector<float> scales, zero_points;
};

template <class T>
Quantized Run(const std::vector<T>& x, std::int64_t rows, std::int64_t size, int lanes) {
  Quantized out(rows, size);
  Quantize({x.data(), std::is_same_v<T, BFloat16>, rows, size, out.q.data(), out.scales.data(),
            out.zero_points.data()},
           lanes);
  return out;
}

// Nothing is further off than half a step, a zero not at all, and the range is used.
template <class T>
void CheckQuantized(const std::vector<T>& x, std::int64_t rows, std::int64_t size, int lanes) {
  const Quantized out = Run(x, rows, size, lanes);
  for (std::int64_t r = 0; r < rows; ++r) {
    const double scale = out.scales[static_cast<std::size_t>(r)];
    const double zero = out.zero_points[static_cast<std::size_t>(r)];
    CHECK(zero >= 0 && zero <= 255 && zero == std::floor(zero));
    double low = 0, high = 0;
    for (std::int64_t c = 0; c < size; ++c) {
      const auto i = static_cast<std::size_t>(r * size + c);
      const double value = Widened(x[i]);
      low = std::min(low, value);
      high = std::max(high, value);
      CHECK(std::abs((out.q[i] - zero) * scale - value) <= 0.501 * scale);
      if (value == 0) CHECK_EQ(static_cast<double>(out.q[i]), zero);
    }
    CHECK(std::abs(scale - std::max((high - low) / 255, 1e-20)) <= 1e-6 * scale);
  }
}

TEST(HalfAStepAtMost) {
  for (const int lanes : Lanes()) {
    for (const std::int64_t size : kSizes) {
      for (const float mean : {0.0f, 3.0f, -3.0f}) {
        CheckQuantized(RandomNumbers<float>(5 * size, 1, 1, mean), 5, size, lanes);
        CheckQuantized(RandomNumbers<BFloat16>(5 * size, 2, 1, mean), 5, size, lanes);
      }
      for (const float spread : {1e-10f, 1e30f}) {
        CheckQuantized(RandomNumbers<float>(size, 3, spread), 1, size, lanes);
      }
    }
  }
}

TEST(ZerosStayZeros) {
  for (const int lanes : Lanes()) {
    for (const std::int64_t size : kSizes) {
      CheckQuantized(std::vector<float>(static_cast<std::size_t>(2 * size), 0.0f), 2, size, lanes);
      std::vector<float> cut = RandomNumbers<float>(size, 4);  // as a ReLU leaves them
      for (float& value : cut) value = std::max(value, 0.0f);
      CheckQuantized(cut, 1, size, lanes);
      for (float& value : cut) value = -value;
      CheckQuantized(cut, 1, size, lanes);
    }
  }
}

TEST(WhatIsNoNumberMakesItsRowNone) {
  // Whether the vectors see it or the loop behind them; the next row does not mind.
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    for (const int lanes : Lanes()) {
      for (const std::int64_t size : kSizes) {
        for (const std::int64_t place : {std::int64_t{0}, size - 1}) {
          std::vector<float> x = RandomNumbers<float>(2 * size, 5);
          x[static_cast<std::size_t>(place)] = bad;
          const Quantized out = Run(x, 2, size, lanes);
          CHECK(std::isnan(out.scales[0]));
          CHECK(std::isfinite(out.scales[1]));
        }
      }
    }
  }
}

TEST(ARowIsTheSameInAnyCompany) {
  constexpr std::int64_t kRows = 7;
  for (const int lanes : Lanes()) {
    for (const std::int64_t size : kSizes) {
      const std::vector<float> x = RandomNumbers<float>(kRows * size, 6);
      const Quantized together = Run(x, kRows, size, lanes);
      for (std::int64_t r = 0; r < kRows; ++r) {
        const std::vector<float> row(x.begin() + r * size, x.begin() + (r + 1) * size);
        const Quantized alone = Run(row, 1, size, lanes);
        CHECK(std::equal(alone.q.begin(), alone.q.end(), together.q.begin() + r * size));
        CHECK_EQ(alone.scales[0], together.scales[static_cast<std::size_t>(r)]);
        CHECK_EQ(alone.zero_points[0], together.zero_points[static_cast<std::size_t>(r)]);
      }
    }
  }
}

struct Products {
  Products(std::int64_t rows, std::int64_t size)
      : products(RandomNumbers<float>(rows * size, 7, 100)),
        scales(RandomNumbers<float>(rows, 8)),
        zero_points(RandomNumbers<float>(rows, 9, 30, 128)),
        sums(RandomNumbers<float>(size, 10)),
        bias(RandomNumbers<float>(size, 11)) {
    for (float& scale : scales) scale = std::abs(scale);
    for (float& zero : zero_points) zero = std::round(zero);
  }
  std::vector<float> products, scales, zero_points, sums, bias;
};

TEST(ProductsBackToNumbers) {
  constexpr std::int64_t kRows = 3;
  for (const int lanes : Lanes()) {
    for (const std::int64_t size : kSizes) {
      const Products p(kRows, size);
      for (const bool relu : {false, true}) {
        for (const bool with_bias : {false, true}) {
          std::vector<BFloat16> out(p.products.size());
          Dequantize({p.products.data(), p.scales.data(), p.zero_points.data(), p.sums.data(),
                      with_bias ? p.bias.data() : nullptr, relu, kRows, size, out.data()},
                     lanes);
          for (std::size_t i = 0; i < out.size(); ++i) {
            const std::size_t r = i / static_cast<std::size_t>(size);
            const std::size_t c = i % static_cast<std::size_t>(size);
            const double product = p.products[i], removed = double{p.zero_points[r]} * p.sums[c];
            double y = (product - removed) * p.scales[r] + (with_bias ? p.bias[c] : 0.0f);
            if (relu) y = std::max(y, 0.0);
            // Float rounding of what is subtracted, then bfloat16's.
            const double slack = 1e-6 * ((std::abs(product) + std::abs(removed)) * p.scales[r] + 1);
            CHECK(std::abs(Widened(out[i]) - y) <= slack + Rounding<BFloat16>(y));
          }
        }
      }
    }
  }
}

TEST(NanComesOut) {
  for (const int lanes : Lanes()) {
    for (const std::int64_t size : kSizes) {
      Products p(1, size);
      p.scales[0] = std::numeric_limits<float>::quiet_NaN();
      for (const bool relu : {false, true}) {
        std::vector<BFloat16> out(p.products.size());
        Dequantize({p.products.data(), p.scales.data(), p.zero_points.data(), p.sums.data(),
                    nullptr, relu, 1, size, out.data()},
                   lanes);
        for (const BFloat16 y : out) CHECK(std::isnan(Widened(y)));
      }
    }
  }
}

}  // namespace
}  // namespace safeasr::kernels
