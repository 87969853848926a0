#include "core/dismissal.h"

#include <utility>

#include "core/batch_stop.h"

namespace safeasr::core {

void Dismissal::Fail(Request& request, ErrorKind kind, const char* unstarted, const char* begun,
                     std::atomic<std::uint64_t>& counter) noexcept {
  // Started first, so that no cancel can come between the count and the answer.
  if (!request.begun && !request.ticket->TryStart()) {
    FinishCancelled(request);
    return;
  }
  counter.fetch_add(1, std::memory_order_relaxed);
  request.ticket->Fail(MakeFailure(kind, request.begun ? begun : unstarted));
}

void Dismissal::Expire(Request& request) noexcept {
  Fail(request, ErrorKind::kDeadlineExceeded,
       "the deadline passed while the request was waiting in the queue",
       "the deadline passed when the request was partly done", counters_.expired);
}

void Dismissal::FailAsClosed(Request& request) noexcept {
  Fail(request, ErrorKind::kClosed, "the model was closed before the request ran",
       "the model was closed when the request was partly done", counters_.failed);
}

// The ticket is finished already if it was cancelled before it began.
void Dismissal::FinishCancelled(Request& request) noexcept {
  counters_.cancelled.fetch_add(1, std::memory_order_relaxed);
  request.ticket->FinishCancelled();
}

void Dismissal::FinishCancelled(RequestChain& requests) noexcept {
  while (const RequestPtr request = requests.TakeFirst()) FinishCancelled(*request);
}

bool Dismissal::EndIfUnwanted(Request& request) noexcept {
  const auto why = WhyUnwanted(request, closing_.load(std::memory_order_relaxed));
  if (!why) return false;
  if (*why == ErrorKind::kCancelled) {
    FinishCancelled(request);
  } else if (*why == ErrorKind::kDeadlineExceeded) {
    Expire(request);
  } else {
    FailAsClosed(request);
  }
  return true;
}

std::size_t Dismissal::EndUnwanted(RequestPtr* requests, std::size_t count) noexcept {
  std::size_t wanted = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (EndIfUnwanted(*requests[i])) continue;
    if (i != wanted) requests[wanted] = std::move(requests[i]);
    ++wanted;
  }
  return wanted;
}

}  // namespace safeasr::core
