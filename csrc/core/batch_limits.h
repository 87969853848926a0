// How large a batch may become. Each runner has its own: what pays depends on the model and device.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/clock.h"

namespace safeasr::core {

struct BatchLimits {
  std::size_t max_requests = 8;
  std::int64_t max_cost = 4096;  // of a batch, in the runner's unit; one request may exceed it
  double max_padding = 0.2;      // share of count x longest that is padding, 0 to 1
  Duration max_wait{0};          // how long the oldest may wait for company; 0: not at all
  bool share_among_free_workers = true;
  // The priority of what comes through lanes (see BatchKey): live streams go before recordings,
  // whose priority is 0.
  int live_priority = 1;
  // How soon another live request may be expected to follow one of this runner, as a recogniser's
  // step follows what a detector found: for so long its worker begins no recordings.
  Duration followed_within{0};
  // After this long without a turn although it is ready, a key goes before every priority.
  Duration starvation = std::chrono::seconds(1);
  // The runner pads nothing: a batch costs the sum of its lengths, else count x longest.
  bool ragged = false;
};

}  // namespace safeasr::core
