// StreamRequest: the next samples of a live stream, worked out piece by piece.
//
// A stream is changed by its request only when all of the request is done, and a request by its
// pieces only when a whole batch is: PieceOf is worked out on a copy, everything that needs memory
// is built before the device is waited for (CommitPieces), and what is left cannot fail. So a batch
// that throws can be run again, in any company, and finds what it found the first time.
//
// A stream (template parameter) has
//   State            a plain value with `held`, the samples that do not fill a piece yet; copies
//                    fork the stream
//   state            of the stream; a lane (core/lane.h) runs its requests one after the other, and
//                    nothing else touches it
//   Fresh()          the state of a stream that begins
//   Item, MakeResult(std::vector<Item>)
//                    what is found, and the result of a request that found these
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/runner.h"
#include "core/ticket.h"

namespace safeasr::asr {

template <class Stream>
struct StreamRequest : core::Payload {
  using State = typename Stream::State;
  using Item = typename Stream::Item;

  StreamRequest(std::shared_ptr<Stream> to, std::vector<float> samples, bool final_chunk)
      : stream(std::move(to)), is_final(final_chunk), wave(std::move(samples)) {}

  const std::shared_ptr<Stream> stream;
  const bool is_final;  // the stream ends with these samples; the next call begins another

  // Before the first piece: the new samples, mono, at the frontend's rate, [-1, 1]. Then what the
  // stream held comes before them.
  std::vector<float> wave;

  // How far the request has come.
  bool started = false;
  State state;            // the request's copy
  std::size_t taken = 0;  // of `wave`
  std::vector<Item> found;

  std::size_t left() const { return wave.size() - taken; }

  // The first time: takes a copy of the stream's state. adjust(State&, samples in all): what else
  // it needs. May throw; nothing has changed then.
  template <class Adjust>
  void Begin(const Adjust& adjust) {
    if (started) return;
    State own = stream->state;
    adjust(own, own.held.size() + wave.size());
    if (!own.held.empty()) {
      std::vector<float> all = std::move(own.held);
      all.insert(all.end(), wave.begin(), wave.end());
      wave = std::move(all);
    }
    own.held = {};
    state = std::move(own);
    started = true;
  }
};

// What a batch works out of one request.
template <class Stream>
struct PieceOf {
  explicit PieceOf(StreamRequest<Stream>& of) : request(&of), next(of.state), taken(of.taken) {}

  StreamRequest<Stream>* request;
  typename Stream::State next;               // the state after it
  std::size_t taken;                         // of the request's wave, after it
  std::vector<typename Stream::Item> found;  // by it
  bool done = false;                         // it was the request's last

  // Builds what Commit() needs, and returns the result for the engine. May throw; the request and
  // its stream are as they were then.
  std::shared_ptr<const core::Result> Prepare() {
    found.insert(found.begin(), request->found.begin(), request->found.end());
    if (!done) return core::Runner::Unfinished();
    if (request->is_final) {
      next = request->stream->Fresh();
    } else {
      next.held.assign(request->wave.begin() + static_cast<std::ptrdiff_t>(taken),
                       request->wave.end());
    }
    return Stream::MakeResult(std::move(found));
  }

  // A request that is done keeps its own state: should it have to run again, because the device
  // broke meanwhile, it answers the same.
  void Commit() noexcept {
    static_assert(std::is_nothrow_move_assignable_v<typename Stream::State>);
    if (done) {
      request->stream->state = std::move(next);
    } else {
      request->state = std::move(next);
      request->taken = taken;
      request->found = std::move(found);
    }
  }
};

// The last act of a runner: takes up what a batch has worked out, all of it or nothing.
template <class Stream>
std::vector<std::shared_ptr<const core::Result>> CommitPieces(
    core::WorkerContext& context, std::vector<PieceOf<Stream>>& pieces) {
  std::vector<std::shared_ptr<const core::Result>> results;
  results.reserve(pieces.size());
  for (PieceOf<Stream>& piece : pieces) results.push_back(piece.Prepare());
  // From here on the pieces count: what a device could still refuse must be behind them.
  context.Finish();
  for (PieceOf<Stream>& piece : pieces) piece.Commit();
  return results;
}

}  // namespace safeasr::asr
