#include "runtime/intra_op_threads.h"

#include <ATen/Parallel.h>

#include <mutex>
#include <thread>

namespace safeasr::runtime {

// at::set_num_threads does two things: it sets OpenMP's and MKL's thread-local counts, which is
// what a worker wants, and it stores a process-wide default that threads started later begin with,
// which would change the user's own torch code. So the default is put back, from a thread that ends
// at once and whose own thread-local counts therefore harm nobody.
void SetIntraOpThreadsForThisThread(int threads) {
  static std::mutex one_at_a_time;
  std::lock_guard<std::mutex> lock(one_at_a_time);
  int process_default = 0;
  std::thread([&process_default] { process_default = at::get_num_threads(); }).join();
  // The first parallel operator of a thread sets its count from the default, once. That once must
  // be over before ours is set, or it would undo it.
  at::get_num_threads();
  at::set_num_threads(threads);
  std::thread([process_default] { at::set_num_threads(process_default); }).join();
}

}  // namespace safeasr::runtime
