// Time as the core sees it. Policies take `now` as an argument, so that tests can drive them
// without threads and without waiting.
#pragma once

#include <chrono>

namespace safeasr::core {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

// "No deadline". Never added to: TimePoint::max() + x overflows.
inline constexpr TimePoint kNever = TimePoint::max();

// now + seconds, saturating at kNever. Negative and NaN count as zero.
inline TimePoint After(TimePoint now, double seconds) {
  if (!(seconds > 0)) return now;
  constexpr double kTooLong = 1e9;  // about 31 years: far from overflow, and never reached
  if (seconds >= kTooLong) return kNever;
  return now + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

inline double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace safeasr::core
