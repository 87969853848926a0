#include "kernels/grouped_conv_kernel.h"

#include <algorithm>

#include "kernels/linear_kernel.h"
#include "kernels/simd.h"

namespace safeasr::kernels {
namespace {

// With the group's channels side by side, what a row sees is one vector, which begins a row further
// down for the next: a linear layer whose inputs overlap.
template <int kLanes>
SAFEASR_INLINE void Group(const GroupedConvArgs& a) {
  float* to = std::fill_n(a.scratch, a.left * a.channels, 0.0f);
  for (std::int64_t t = 0; t < a.rows; ++t) to = std::copy_n(a.x + t * a.size, a.channels, to);
  std::fill_n(to, (a.kernel - 1 - a.left) * a.channels, 0.0f);
  Linear<kLanes>({a.scratch, a.channels, a.rows, a.kernel * a.channels, a.weight, a.bias,
                  a.channels, false, a.y, a.size});
}

SAFEASR_ENTRY_POINTS(RunGroup, Group, GroupedConvArgs)

}  // namespace

void ConvolveGroup(const GroupedConvArgs& args, int lanes) { RunGroup(args, lanes); }

}  // namespace safeasr::kernels
