// GELU, for every instruction set of this processor, against the library's error function.
#include "kernels/gelu_kernel.h"

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

template <class T>
std::vector<T> Computed(std::vector<T> x, int lanes) {
  Gelu({x.data(), std::is_same_v<T, BFloat16>, static_cast<std::int64_t>(x.size())}, lanes);
  return x;
}

template <class T>
void CheckNumbers() {
  for (const int lanes : Lanes()) {
    for (const std::int64_t count : {0, 1, 3, 4, 7, 8, 15, 16, 17, 33, 1000}) {
      const std::vector<T> x = RandomNumbers<T>(count, static_cast<unsigned>(count), 3);
      const std::vector<T> y = Computed(x, lanes);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double given = Widened(x[i]);
        const double right = given / 2 * std::erfc(-given / std::sqrt(2.0));
        CHECK(std::abs(Widened(y[i]) - right) <=
              4e-7 + 2e-6 * std::abs(right) + Rounding<T>(right));
      }
    }
  }
}

TEST(EqualsTheErrorFunction) { CheckNumbers<float>(); }
TEST(EqualsTheErrorFunctionInBfloat16) { CheckNumbers<BFloat16>(); }

TEST(NumbersWithoutEnd) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const int lanes : Lanes()) {
    const std::vector<float> y = Computed<float>({inf, -inf, 1e30f, -1e30f, 0.0f}, lanes);
    CHECK_EQ(y[0], inf);
    CHECK_EQ(y[1], 0.0f);
    CHECK_EQ(y[2], 1e30f);
    CHECK_EQ(y[3], 0.0f);
    CHECK_EQ(y[4], 0.0f);
    CHECK(std::isnan(Computed<float>({std::nanf("")}, lanes)[0]));
  }
}

TEST(ANumberIsTheSameWhereverItStands) {
  for (const int lanes : Lanes()) {
    const std::vector<float> x = RandomNumbers<float>(50, 4, 2);
    const std::vector<float> y = Computed(x, lanes);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK_EQ(Computed<float>({x[i]}, lanes)[0], y[i]);
  }
}

}  // namespace
}  // namespace safeasr::kernels
