// What a caller's array becomes on its way to a recogniser.
#pragma once

#include <cstdint>

#include "asr/features/frontend.h"
#include "asr/utterance.h"
#include "bindings/py_engine.h"

namespace safeasr {

// Copies samples (n,) or features (frames, size) into an utterance, with the GIL released for
// samples. Returns its number of frames. Throws core::Error for other shapes and for nothing.
std::int64_t TakeUtterance(const FloatArray& data, const asr::Frontend& frontend,
                           asr::Utterance* utterance);

}  // namespace safeasr
