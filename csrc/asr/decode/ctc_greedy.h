// CTC decoding along the best path (Graves et al., 2006, section 3.2): what every frame likes best.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace safeasr::asr {

// The tokens of a path of `frames` ids: equal neighbours are one token, then blanks go.
std::vector<std::int64_t> CtcCollapse(const std::int64_t* path, std::size_t frames,
                                      std::int64_t blank);

}  // namespace safeasr::asr
