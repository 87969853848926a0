// The operators that exported programs name.
#pragma once

namespace safeasr::asr {

// Makes safeasr::fsmn_memory, safeasr::ragged_memory and safeasr::ragged_attention known to torch,
// in Python as torch.ops.safeasr.*. Idempotent.
void RegisterOperators();

}  // namespace safeasr::asr
