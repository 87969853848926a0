// What a worker counts. As in worker.cc, nothing may throw.
#include <algorithm>
#include <cstdint>

#include "core/worker.h"

namespace safeasr::core {

void Worker::CountBatch(const std::vector<RequestPtr>& requests) {
  Counters& counters = team_.intake.counters;
  const std::size_t count = requests.size();
  std::uint64_t longest = 0, sum = 0;
  for (const RequestPtr& request : requests) {
    const auto length = static_cast<std::uint64_t>(request->length);
    longest = std::max(longest, length);
    sum += length;
  }
  Count(counters.batches);
  Count(counters.batched_requests, count);
  Count(counters.batch_length, sum);
  Count(counters.batch_cost, requests[0]->runner->limits().ragged ? sum : count * longest);
}

void Worker::CountWait(const Request& request, TimePoint start) noexcept {
  Counters& counters = team_.intake.counters;
  const Duration waited = start - request.arrival;
  counters.queue_time.Add(waited);
  request.runner->counters().queue_time.Add(waited);
  if (request.key.priority > 0) counters.live_queue_time.Add(waited);
  if (request.meter) request.meter->Waited(request.arrival, start);
}

// Before any of them is answered: whoever has an answer must find it in stats().
void Worker::CountRun(const RequestPtr* requests, std::size_t count, TimePoint start) noexcept {
  Counters& counters = team_.intake.counters;
  const TimePoint end = Clock::now();
  counters.run_time.Add(end - start);
  requests[0]->runner->counters().run_time.Add(end - start);
  if (requests[0]->key.priority > 0) counters.live_run_time.Add(end - start);
  for (std::size_t i = 0; i < count; ++i) {
    if (requests[i]->meter) requests[i]->meter->Ran(start, end);
  }
}

}  // namespace safeasr::core
