// Forks that wait: a child inherits everything as it is at that moment, but only one thread.
#pragma once

namespace safeasr::core {

// While one of these lives, `fork` waits, and so does whoever wants another.
//
// For starting threads, among others: glibc gives them stacks of threads that ended, frees what
// those had as thread-local memory, and only then forgets about it. A child of a fork in between
// would free it once more when it starts a thread.
class NoForks {
 public:
  NoForks();
  ~NoForks();
  NoForks(const NoForks&) = delete;
  NoForks& operator=(const NoForks&) = delete;
};

}  // namespace safeasr::core
