// bfloat16: to the nearest, ties to even, and nothing that was not a number becomes one.
#include "kernels/bfloat16.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "check.h"
#include "lanes.h"

namespace safeasr::kernels {
namespace {

constexpr std::int64_t kCount = 64;  // a multiple of every number of lanes

struct Numbers {
  const float* wide;
  BFloat16* narrow;
  float* wide_again;
};

template <int kLanes>
SAFEASR_INLINE void ThereAndBack(const Numbers& n) {
  for (std::int64_t i = 0; i < kCount; i += kLanes) {
    Store<kLanes>(At<kLanes>(n.wide + i), n.narrow + i);
    typename Simd<kLanes>::Floats v;
    Load<kLanes>(n.narrow + i, &v);
    At<kLanes>(n.wide_again + i) = v;
  }
}
SAFEASR_ENTRY_POINTS(RunThereAndBack, ThereAndBack, Numbers)

float OfBits(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

std::uint32_t BitsOf(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

// By looking at both neighbours; for finite numbers.
std::uint16_t Nearest(float value) {
  const auto below = static_cast<std::uint16_t>(BitsOf(value) >> 16);  // nearer to zero
  const auto above = static_cast<std::uint16_t>(below + 1);
  const double low = OfBits(static_cast<std::uint32_t>(below) << 16);
  double high = OfBits(static_cast<std::uint32_t>(above) << 16);
  // Beyond the largest number there would be 2^128.
  if (std::isinf(high)) high = std::copysign(std::ldexp(1.0, 128), high);
  const double to_low = std::abs(value - low), to_high = std::abs(high - value);
  if (to_low != to_high) return to_low < to_high ? below : above;
  return below % 2 == 0 ? below : above;
}

// The scalar version and those of all instruction sets.
void Check(const std::vector<float>& given, bool (*right)(float, BFloat16)) {
  for (const float value : given) CHECK(right(value, Rounded<BFloat16>(value)));
  std::vector<float> padded = given, again(kCount);
  padded.resize((given.size() + kCount - 1) / kCount * kCount, given.front());
  std::vector<BFloat16> narrow(kCount);
  for (const int lanes : Lanes()) {
    for (std::size_t first = 0; first < padded.size(); first += kCount) {
      RunThereAndBack({padded.data() + first, narrow.data(), again.data()}, lanes);
      for (std::size_t i = 0; i < kCount; ++i) {
        CHECK(right(padded[first + i], narrow[i]));
        CHECK_EQ(BitsOf(again[i]), static_cast<std::uint32_t>(narrow[i].bits) << 16);
        CHECK_EQ(BitsOf(again[i]), BitsOf(Widened(narrow[i])));
      }
    }
  }
}

TEST(NearestAndTiesToEven) {
  std::vector<float> given = {0.0f, -0.0f, 1.0f, -1.0f, 1e-40f, -1e-45f, 3.3e38f, -3.3e38f,
                              std::numeric_limits<float>::max(), std::numeric_limits<float>::min(),
                              // ties, and their neighbours: to an even and to an odd number
                              OfBits(0x3f808000), OfBits(0x3f818000), OfBits(0xbf808000),
                              OfBits(0x3f807fff), OfBits(0x3f808001), OfBits(0x3f817fff)};
  std::mt19937 random(1);
  while (given.size() < 10000) {
    const float value = OfBits(random());
    if (std::isfinite(value)) given.push_back(value);
  }
  Check(given, [](float value, BFloat16 got) { return got.bits == Nearest(value); });
}

TEST(InfinityStays) {
  Check({std::numeric_limits<float>::infinity()},
        [](float, BFloat16 got) { return got.bits == 0x7f80; });
  Check({-std::numeric_limits<float>::infinity()},
        [](float, BFloat16 got) { return got.bits == 0xff80; });
}

TEST(NanStaysNan) {
  // Of all kinds: those whose bits are all set would be carried to zero by rounding.
  Check({OfBits(0x7fc00000), OfBits(0xffc00000), OfBits(0x7fffffff), OfBits(0xffffffff),
         OfBits(0x7fff8000), OfBits(0xffff8000), OfBits(0x7f800001), OfBits(0xff80ffff)},
        [](float, BFloat16 got) { return std::isnan(Widened(got)); });
}

}  // namespace
}  // namespace safeasr::kernels
