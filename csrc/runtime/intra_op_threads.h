// Threads of one operator on the CPU, for the calling thread only.
#pragma once

namespace safeasr::runtime {

// Sets how many threads operators of the calling thread use; nobody else's number changes.
void SetIntraOpThreadsForThisThread(int threads);

// The same, cheap enough for every batch. After SetIntraOpThreadsForThisThread on the same thread.
// Does nothing where torch was built without OpenMP.
void SwitchIntraOpThreads(int threads);

// Starts the threads that operators of the calling thread will use at most, so that all workers'
// are there from the beginning. OpenMP's threads wait for each other by spinning, which ruins a
// machine with other work to do, unless there are more of them than cores: then they soon sleep.
void StartIntraOpThreads(int threads);

}  // namespace safeasr::runtime
