// The batching policy: which of the queued requests a free worker runs next. A pure function of
// what is queued and the time, so that every rule below has a test without threads.
//
// Rules
//  1. A request whose deadline has passed is never run: it is reported in `expired`.
//  2. A batch has one key, and its own runner's limits hold. The oldest live request of its key is
//     always in it (nobody starves).
//  3. The others with its key join it, nearest in length first, and only while the batch stays
//     within max_requests and max_cost (count x longest, or the sum of the lengths where nothing is
//     padded), and padding stays under max_padding. Of very many, the oldest are chosen from: 256,
//     or twice max_requests. So a choice costs the same however long the backlog is.
//  4. Work is shared: a key whose requests are a share of all that is ready may use that share of
//     the free workers, at least one, and a worker leaves the others their part. So two keys on two
//     workers are not split, one key on two workers is (not with max_wait: company is wanted then).
//  5. A batch that is not full may wait for company until its oldest has waited max_wait (0:
//     never), unless a live request of its key would pass its deadline by then (no request expires
//     while a free worker waits) or has begun before (newcomers join it at its next piece).
//  6. Keys are looked at in the order of their oldest live requests, and a key that waits holds up
//     none that is ready. Of those that are ready the one with the highest priority goes first; the
//     priority is the requests' own and part of their key, so no batch mixes two.
//  7. A key that had no turn for longer than its `starvation`, while it had a request in the
//     window, goes before all priorities. One batch, then that time begins anew: a backlog of
//     recordings cannot push live streams aside.
//  8. Before `recordings_from` what has no priority waits, unless it starves: the worker has just
//     run what another live request will follow at once (BatchLimits::followed_within).
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
  const BatchLimits* limits = nullptr;  // of its runner; the same for the same key
  std::int64_t length = 1;
  TimePoint arrival{};         // when it queued up: anew for each piece
  TimePoint unserved_since{};  // its arrival in the window or its key's last turn, the later one
  TimePoint deadline = kNever;
  bool begun = false;
};

struct BatchDecision {
  std::vector<std::size_t> take;        // indices into the candidates, the oldest first
  std::vector<std::size_t> expired;     // indices whose deadline has passed
  std::optional<TimePoint> wait_until;  // set instead of `take`: look again at this time
};

// `candidates` in the order in which they queued up. `free_workers` counts the one that asks.
// `closing`: do not wait.
BatchDecision SelectBatch(const std::vector<Candidate>& candidates, TimePoint now,
                          std::size_t free_workers, bool closing,
                          TimePoint recordings_from = TimePoint::min());

}  // namespace safeasr::core
