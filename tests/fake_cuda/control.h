// What tests ask of the made-up machine (through ctypes), and operators.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

extern "C" {

// How often something happened, by its name in Count(); how much CUDA would have refused; all of it
// to stderr.
std::uint64_t fake_cuda_count(const char* what);
std::uint64_t fake_cuda_complaints();
void fake_cuda_print();

// After so many allocations of devices from now, so many fail; a negative number: none.
void fake_cuda_fail_allocations(std::int64_t after, std::int64_t times);

// Every call returns this error from now on, as after an illegal access; 0 mends it.
void fake_cuda_break(int error);

// The same after so many calls.
void fake_cuda_break_after(std::int64_t calls, int error);
}

namespace fake_cuda {

// With FAKE_CUDA_IDLE nothing is computed: the devices take no time, what remains is the host's.
bool Idle();

// Whether the calling thread's kernels are of no concern.
void BeQuiet(bool quiet);

// Before a kernel of a stream: what is queued there is done. Whether the stream records.
bool Begin(void* stream);

// Adds to what the stream records.
void Record(void* stream, std::function<void()> work);

}  // namespace fake_cuda
