// The batching policy: which of the queued requests a free worker runs next. A pure function of
// what is queued, the time and the limits, so that every rule below has a test without threads.
//
// Rules
//  1. A request whose deadline has passed is never run: it is reported in `expired`.
//  2. The oldest live request is always in the batch (nobody starves).
//  3. Only requests with its key join it, nearest in length first, and only while the batch stays
//     within max_requests and max_cost (cost = count x longest), and padding stays under
//     max_padding.
//  4. Work is shared: with n workers free, a worker leaves the others their part of what is queued
//     (not with max_wait: company is wanted then).
//  5. A batch that is not full may wait for company until the oldest has waited max_wait (0:
//     never), unless a live request's deadline would pass by then: no request expires while a free
//     worker waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/batch_limits.h"
#include "core/clock.h"
#include "core/request.h"

namespace safeasr::core {

// What the policy may know of a request.
struct Candidate {
  BatchKey key;
  std::int64_t length = 1;
  TimePoint arrival{};
  TimePoint deadline = kNever;
};

struct BatchDecision {
  std::vector<std::size_t> take;        // indices into the candidates, the oldest first
  std::vector<std::size_t> expired;     // indices whose deadline has passed
  std::optional<TimePoint> wait_until;  // set instead of `take`: look again at this time
};

// `candidates` in order of arrival. `free_workers` counts the one that asks. `closing`: do not
// wait.
BatchDecision SelectBatch(const std::vector<Candidate>& candidates, TimePoint now,
                          const BatchLimits& limits, std::size_t free_workers, bool closing);

}  // namespace safeasr::core
