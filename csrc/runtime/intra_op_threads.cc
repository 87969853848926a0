#include "runtime/intra_op_threads.h"

#include <ATen/Parallel.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "core/forks.h"

// OpenMP's own, thread-local setting, from the library that torch brings: torch's operators and
// oneDNN's look at nothing else. Null where torch uses another thread pool.
extern "C" void omp_set_num_threads(int) __attribute__((weak));

namespace safeasr::runtime {

// at::set_num_threads does two things: it sets OpenMP's and MKL's thread-local counts, which is
// what a worker wants, and it stores a process-wide default that threads started later begin with,
// which would change the user's own torch code. So the default is put back, from a thread that ends
// at once and whose own thread-local counts therefore harm nobody.
void SetIntraOpThreadsForThisThread(int threads) {
  const core::NoForks one_at_a_time;  // a child would find the default as it is in between
  int process_default = 0;
  std::thread([&process_default] { process_default = at::get_num_threads(); }).join();
  // The first parallel operator of a thread sets its count from the default, once. That once must
  // be over before ours is set, or it would undo it.
  at::get_num_threads();
  at::set_num_threads(threads);
  std::thread([process_default] { at::set_num_threads(process_default); }).join();
}

void SwitchIntraOpThreads(int threads) {
  if (omp_set_num_threads != nullptr) omp_set_num_threads(threads);
}

void StartIntraOpThreads(int threads) {
  if (threads <= 1 || omp_set_num_threads == nullptr) return;
  const int before = at::get_num_threads();
  omp_set_num_threads(threads);
  std::atomic<int> begun{0};
  const core::NoForks while_threads_start;
  at::parallel_for(0, threads, 1, [&](std::int64_t, std::int64_t) { ++begun; });
  omp_set_num_threads(before);
}

}  // namespace safeasr::runtime
