// A convolution of a group, for every instruction set of this processor, against plain loops.
#include "kernels/grouped_conv_kernel.h"

#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "check.h"
#include "lanes.h"

namespace safeasr::kernels {
namespace {

// The second of two groups.
struct Layer {
  Layer(std::int64_t rows_, std::int64_t channels_, std::int64_t kernel_)
      : rows(rows_),
        channels(channels_),
        kernel(kernel_),
        x(RandomNumbers<float>(rows_ * 2 * channels_, 1)),
        weight(RandomNumbers<float>(kernel_ * channels_ * channels_, 2, 0.2f)),
        bias(RandomNumbers<float>(channels_, 3)),
        y(x.size(), 7.0f) {}

  void Run(int lanes) {
    // Exactly what was asked for, so that a sanitizer sees one float too many.
    const std::unique_ptr<float[]> scratch(
        new float[static_cast<std::size_t>((rows + kernel - 1) * channels)]);
    ConvolveGroup({x.data() + channels, rows, 2 * channels, channels, kernel / 2, kernel,
                   weight.data(), bias.data(), y.data() + channels, scratch.get()},
                  lanes);
  }

  float Of(const std::vector<float>& rows_of, std::int64_t row, std::int64_t channel) const {
    return rows_of[static_cast<std::size_t>(row * 2 * channels + channels + channel)];
  }

  double Expected(std::int64_t row, std::int64_t channel) const {
    double sum = bias[static_cast<std::size_t>(channel)];
    for (std::int64_t k = 0; k < kernel; ++k) {
      const std::int64_t from = row - kernel / 2 + k;
      if (from < 0 || from >= rows) continue;
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t place = (k * channels + c) * channels + channel;
        sum += double{Of(x, from, c)} * weight[static_cast<std::size_t>(place)];
      }
    }
    return sum;
  }

  std::int64_t rows, channels, kernel;
  std::vector<float> x, weight, bias, y;
};

TEST(EqualsPlainLoops) {
  for (const int lanes : Lanes()) {
    for (const std::int64_t channels : {16, 48, 64}) {
      for (const std::int64_t kernel : {1, 2, 3, 19}) {
        for (const std::int64_t rows : {1, 2, 5, 6, 13, 40}) {
          Layer layer(rows, channels, kernel);
          layer.Run(lanes);
          for (std::int64_t t = 0; t < rows; ++t) {
            for (std::int64_t c = 0; c < channels; ++c) {
              CHECK(std::abs(layer.Of(layer.y, t, c) - layer.Expected(t, c)) <= 1e-4);
              CHECK_EQ(layer.y[static_cast<std::size_t>(t * 2 * channels + c)], 7.0f);
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace safeasr::kernels
