// How many threads one operator may use, set for the calling thread alone.
#pragma once

namespace safeasr::runtime {

void SetIntraOpThreadsForThisThread(int threads);

}  // namespace safeasr::runtime
