#include "asr/ops/device/attention_plan.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "asr/ops/device/attention_buckets.h"
#include "asr/ops/device/attention_rings.h"
#include "asr/ops/device/plan_memo.h"
#include "runtime/upload.h"

namespace safeasr::asr {
namespace {

using Streams = std::vector<AttentionStream>;

// Masks are read in vectors of so many.
constexpr std::int64_t kMaskStep = 8;

std::int64_t PaddedToMask(std::int64_t keys) {
  return (keys + kMaskStep - 1) / kMaskStep * kMaskStep;
}

bool InOrder(const Rows& rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] != static_cast<std::int64_t>(i)) return false;
  }
  return true;
}

// A stream's keys, old and new, as rows of all that is there to read.
void AddKeys(const AttentionStream& s, std::int64_t first_read, Rows* rows) {
  for (std::int64_t t = 0; t < s.count; ++t) rows->push_back(first_read + t);
  for (std::int64_t t = 0; t < s.keys; ++t) rows->push_back(s.first_key + t);
}

// `count` queries of a stream, which become rows `at` and following of its bucket; `back` is told
// so. Padding repeats a row of the stream's own: what another's holds could be NaN.
void AddQueries(const AttentionStream& s, std::int64_t at, std::int64_t count, Rows* query_rows,
                Rows* back) {
  for (std::int64_t t = 0; t < count; ++t) {
    query_rows->push_back(s.queries > 0 ? s.first_query + std::min(t, s.queries - 1) : 0);
  }
  for (std::int64_t t = 0; t < s.queries; ++t) (*back)[s.first_query + t] = at + t;
}

// Lists of rows that go to the device together, and the tensors that they become there.
class TensorsToBe {
 public:
  // target: stays where it is until the lists are sent.
  void Add(const Rows& rows, at::Tensor* target) {
    lists_.Add(rows);
    targets_.push_back(target);
  }
  void Send(at::Device device) { Assign(lists_.Upload(device)); }
  // all: the numbers of all lists, as they are on the device.
  void TakeFrom(const at::Tensor& all) { Assign(lists_.Split(all)); }
  const Rows& numbers() const { return lists_.numbers(); }

 private:
  void Assign(const std::vector<at::Tensor>& sent) {
    for (std::size_t i = 0; i < sent.size(); ++i) *targets_[i] = sent[i];
  }

  runtime::IndexLists lists_;
  std::vector<at::Tensor*> targets_;
};

// A plan while it is worked out on the host.
struct Draft {
  // room: what a graph leaves; null outside of one.
  Draft(const Streams& of, at::ScalarType mask_type, const Room* room)
      : streams(of), type(mask_type) {
    std::int64_t new_keys = 0;
    if (room != nullptr) {
      plan.queries = room->sizes.queries;
      new_keys = room->sizes.keys;
    } else if (!streams.empty()) {
      plan.queries = streams.back().first_query + streams.back().queries;
      new_keys = streams.back().first_key + streams.back().keys;
    }
    rings = ReadRings(streams, new_keys, room);
    // Their elements may not move: they are targets.
    plan.reads.reserve(rings.read.size());
    plan.writes.reserve(rings.written.size());
    for (const auto& [cache, rows] : rings.read) {
      plan.reads.push_back({cache, {}, {}});
      lists.Add(rows, &plan.reads.back().rows);
    }
    for (const auto& [cache, rows] : rings.written) {
      plan.writes.push_back({cache, {}, {}});
      lists.Add(rows, &plan.writes.back().rows);
      lists.Add(rings.sources[cache], &plan.writes.back().from);
    }
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  const Streams& streams;
  const at::ScalarType type;  // of masks
  Rings rings;
  AttentionPlan plan;
  TensorsToBe lists;
};

// For kernels that know lengths.
AttentionPlan PackedPlan(const Streams& streams, at::ScalarType type, at::Device device) {
  Draft draft(streams, type, nullptr);
  AttentionPlan& plan = draft.plan;
  Rows query_ends{0}, key_ends{0}, rows;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const AttentionStream& s = streams[i];
    plan.packable = plan.packable && (s.queries == 0 || KeysOf(s) > 0);
    plan.longest_query = std::max(plan.longest_query, s.queries);
    plan.longest_key = std::max(plan.longest_key, KeysOf(s));
    query_ends.push_back(query_ends.back() + s.queries);
    key_ends.push_back(key_ends.back() + KeysOf(s));
    if (!plan.reads.empty()) AddKeys(s, draft.rings.first_read[i], &rows);
  }
  if (!plan.reads.empty()) draft.lists.Add(rows, &plan.packed_keys);
  draft.lists.Add(query_ends, &plan.query_ends);
  draft.lists.Add(key_ends, &plan.key_ends);
  draft.lists.Send(device);
  plan.query_ends = plan.query_ends.to(at::kInt);
  plan.key_ends = plan.key_ends.to(at::kInt);
  return std::move(plan);
}

// Sets a bucket's mask by the lengths (streams) of its streams' keys.
void Mask(AttentionBucket* bucket, const at::Tensor& lengths, at::ScalarType type) {
  const at::Tensor numbers = at::arange(bucket->keys, lengths.options()).unsqueeze(0);
  // Added to the scores. Of truth values each layer would make this again.
  bucket->mask =
      at::zeros({bucket->streams, bucket->keys}, lengths.options().dtype(type))
          .masked_fill_(numbers >= lengths.unsqueeze(1), -std::numeric_limits<double>::infinity())
          .view({bucket->streams, 1, 1, bucket->keys});
}

// How large a bucket is. Returns whether its streams differ in their numbers of keys.
bool SizeBucket(const Streams& streams, const std::vector<std::size_t>& members,
                AttentionBucket* bucket) {
  std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
  for (const std::size_t i : members) {
    bucket->queries = std::max(bucket->queries, streams[i].queries);
    bucket->keys = std::max(bucket->keys, KeysOf(streams[i]));
    fewest = std::min(fewest, KeysOf(streams[i]));
  }
  bucket->streams = static_cast<std::int64_t>(members.size());
  const bool differ = fewest < bucket->keys;
  if (differ) bucket->keys = PaddedToMask(bucket->keys);
  return differ;
}

// The rows of a bucket, whose first one is row `at` of all buckets'. lengths: for Mask(), if its
// streams differ.
void FillBucket(Draft& draft, const std::vector<std::size_t>& members, std::int64_t at, Rows* back,
                AttentionBucket* bucket, at::Tensor* lengths) {
  const bool differ = SizeBucket(draft.streams, members, bucket);
  Rows query_rows, key_rows, counts;
  for (const std::size_t i : members) {
    const AttentionStream& s = draft.streams[i];
    AddQueries(s, at, bucket->queries, &query_rows, back);
    at += bucket->queries;
    AddKeys(s, draft.rings.first_read[i], &key_rows);
    for (std::int64_t t = KeysOf(s); t < bucket->keys; ++t) key_rows.push_back(key_rows.back());
    counts.push_back(KeysOf(s));
  }
  if (!InOrder(query_rows)) draft.lists.Add(query_rows, &bucket->query_rows);
  if (!InOrder(key_rows) || !draft.plan.reads.empty()) {
    draft.lists.Add(key_rows, &bucket->key_rows);
  }
  if (differ) draft.lists.Add(counts, lengths);
}

// Queries that have nothing to attend to.
Rows SilentQueries(const Streams& streams) {
  Rows silent;
  for (const AttentionStream& s : streams) {
    if (KeysOf(s) > 0) continue;
    for (std::int64_t t = 0; t < s.queries; ++t) silent.push_back(s.first_query + t);
  }
  return silent;
}

// For kernels that know masks.
AttentionPlan PaddedPlan(const Streams& streams, at::ScalarType type, at::Device device) {
  Draft draft(streams, type, nullptr);
  AttentionPlan& plan = draft.plan;
  const auto buckets = BucketStreams(streams);
  plan.buckets.resize(buckets.size());
  std::vector<at::Tensor> lengths(buckets.size());
  Rows back(static_cast<std::size_t>(plan.queries), 0);
  std::int64_t at = 0;
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    AttentionBucket& bucket = plan.buckets[b];
    FillBucket(draft, buckets[b], at, &back, &bucket, &lengths[b]);
    at += bucket.streams * bucket.queries;
  }
  const Rows silent = SilentQueries(streams);
  if (!InOrder(back)) draft.lists.Add(back, &plan.back);
  if (!silent.empty()) draft.lists.Add(silent, &plan.silent);
  draft.lists.Send(device);
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    if (lengths[b].defined()) Mask(&plan.buckets[b], lengths[b], type);
  }
  return std::move(plan);
}

// All streams in one bucket, as large as a graph's room, whatever they bring. `sent` makes of the
// numbers of all lists what is on the device; nothing: then there is no plan either.
AttentionPlan PlanInRoom(const Streams& streams, at::ScalarType type, const Room& room,
                         const std::function<at::Tensor(const Rows&)>& sent) {
  Draft draft(streams, type, &room);
  AttentionPlan& plan = draft.plan;
  plan.buckets.resize(1);
  AttentionBucket& bucket = plan.buckets[0];
  bucket.streams = static_cast<std::int64_t>(streams.size());
  bucket.queries = room.step.longest_query;
  bucket.keys = PaddedToMask(room.step.longest_key + room.step.window);
  Rows query_rows, key_rows, counts, back(static_cast<std::size_t>(plan.queries), 0);
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const AttentionStream& s = streams[i];
    CheckFits(s.queries <= bucket.queries && KeysOf(s) <= bucket.keys);
    AddQueries(s, static_cast<std::int64_t>(i) * bucket.queries, bucket.queries, &query_rows,
               &back);
    AddKeys(s, draft.rings.first_read[i], &key_rows);
    const std::int64_t repeated = KeysOf(s) > 0 ? key_rows.back() : 0;
    key_rows.resize((i + 1) * static_cast<std::size_t>(bucket.keys), repeated);
    counts.push_back(std::max<std::int64_t>(KeysOf(s), 1));
  }
  at::Tensor lengths;
  draft.lists.Add(query_rows, &bucket.query_rows);
  draft.lists.Add(key_rows, &bucket.key_rows);
  draft.lists.Add(counts, &lengths);
  draft.lists.Add(back, &plan.back);
  const at::Tensor all = sent(draft.lists.numbers());
  if (!all.defined()) return {};
  draft.lists.TakeFrom(all);
  Mask(&bucket, lengths, type);
  return std::move(plan);
}

// What tells a plan from others.
Rows Distinct(const Streams& streams, at::ScalarType type, bool packed) {
  Rows numbers{packed, static_cast<std::int64_t>(type)};
  numbers.reserve(streams.size() * 8 + 8);
  for (const AttentionStream& s : streams) {
    numbers.insert(numbers.end(),
                   {s.queries, s.keys, s.start, s.count, s.append, s.cache, s.first, s.capacity});
  }
  return numbers;
}

}  // namespace

std::shared_ptr<const AttentionPlan> PlanAttention(const Streams& streams, at::ScalarType type,
                                                   bool packed, at::Device device) {
  return PlanMemo<AttentionPlan>::OfThisThread().Get(Distinct(streams, type, packed), device, [&] {
    return packed ? PackedPlan(streams, type, device) : PaddedPlan(streams, type, device);
  });
}

std::shared_ptr<const AttentionPlan> PlanAttention(runtime::GraphLists& lists,
                                                   const std::function<Streams()>& reread,
                                                   const AttentionSizes& sizes, at::ScalarType type,
                                                   at::Device device) {
  const Streams streams = reread();
  const Room room{lists.room(), sizes, lists.spare_row()};
  return PlanMemo<AttentionPlan>::OfThisThread().Get(Distinct(streams, type, false), device, [&] {
    return PlanInRoom(streams, type, room, [&](const Rows&) {
      const auto fill = [reread, room, type] {
        const Streams now = reread();
        Rows filled;
        PlanInRoom(now, type, room, [&](const Rows& numbers) {
          filled = numbers;
          return at::Tensor();
        });
        return filled;
      };
      return lists.Add(fill, device);
    });
  });
}

}  // namespace safeasr::asr
