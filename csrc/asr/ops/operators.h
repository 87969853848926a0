// The operators that exported programs name, but for those of one family alone.
#pragma once

namespace safeasr::asr {

// Makes all of them known to torch, in Python as torch.ops.safeasr.*. Idempotent.
void RegisterOperators();

}  // namespace safeasr::asr
