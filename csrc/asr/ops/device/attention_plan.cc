#include "asr/ops/device/attention_plan.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "asr/ops/device/attention_rings.h"
#include "asr/ops/device/plan_memo.h"
#include "runtime/upload.h"

namespace safeasr::asr {
namespace {

using Streams = std::vector<AttentionStream>;

// Masks are read in vectors of so many.
constexpr std::int64_t kMaskStep = 8;

std::int64_t Keys(const AttentionStream& s) { return s.count + s.keys; }

// A stream's keys, old and new, as rows of all that is there to read.
void AddKeys(const AttentionStream& s, std::int64_t first_read, Rows* rows) {
  for (std::int64_t t = 0; t < s.count; ++t) rows->push_back(first_read + t);
  for (std::int64_t t = 0; t < s.keys; ++t) rows->push_back(s.first_key + t);
}

// Streams that ask and can be answered, those of similar numbers of keys together: padding at most
// doubles a bucket.
std::vector<std::vector<std::size_t>> Buckets(const Streams& streams) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (streams[i].queries > 0 && Keys(streams[i]) > 0) order.push_back(i);
  }
  const auto padded = [&](std::size_t begin, std::size_t end) {
    std::int64_t keys = 0, most_keys = 0, queries = 0, most_queries = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const AttentionStream& s = streams[order[i]];
      keys += Keys(s);
      most_keys = std::max(most_keys, Keys(s));
      queries += s.queries;
      most_queries = std::max(most_queries, s.queries);
    }
    const auto count = static_cast<std::int64_t>(end - begin);
    return count * most_keys > 2 * keys || count * most_queries > 2 * queries + 8 * count;
  };
  std::vector<std::vector<std::size_t>> buckets;
  if (!padded(0, order.size())) {
    if (!order.empty()) buckets.push_back(order);
    return buckets;
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return Keys(streams[a]) > Keys(streams[b]);
  });
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = order.size();
    if (padded(begin, end)) {
      end = begin;
      while (end < order.size() && 2 * Keys(streams[order[end]]) >= Keys(streams[order[begin]])) {
        ++end;
      }
    }
    buckets.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(begin),
                         order.begin() + static_cast<std::ptrdiff_t>(end));
    begin = end;
  }
  return buckets;
}

// What is worked out on the host, with places in the lists that go to the device together.
class Maker {
 public:
  Maker(const Streams& streams, at::ScalarType type, at::Device device, const Room* room = nullptr)
      : streams_(streams), type_(type), device_(device), room_(room) {
    if (room != nullptr) {
      plan_.queries = room->sizes.queries;
      new_keys_ = room->sizes.keys;
    } else if (!streams.empty()) {
      plan_.queries = streams.back().first_query + streams.back().queries;
      new_keys_ = streams.back().first_key + streams.back().keys;
    }
    rings_ = ReadRings(streams, new_keys_, room);
    // Their elements may not move: lists are named by where they go.
    plan_.reads.reserve(rings_.read.size());
    plan_.writes.reserve(rings_.written.size());
    for (const auto& [cache, rows] : rings_.read) {
      plan_.reads.push_back({cache, {}, {}});
      Later(rows, &plan_.reads.back().rows);
    }
    for (const auto& [cache, rows] : rings_.written) {
      plan_.writes.push_back({cache, {}, {}});
      Later(rows, &plan_.writes.back().rows);
      Later(rings_.sources[cache], &plan_.writes.back().from);
    }
  }

  AttentionPlan Packed() {
    Rows query_ends{0}, key_ends{0}, rows;
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      const AttentionStream& s = streams_[i];
      plan_.packable = plan_.packable && (s.queries == 0 || Keys(s) > 0);
      plan_.longest_query = std::max(plan_.longest_query, s.queries);
      plan_.longest_key = std::max(plan_.longest_key, Keys(s));
      query_ends.push_back(query_ends.back() + s.queries);
      key_ends.push_back(key_ends.back() + Keys(s));
      if (!plan_.reads.empty()) AddKeys(s, rings_.first_read[i], &rows);
    }
    if (!plan_.reads.empty()) Later(rows, &plan_.packed_keys);
    Later(query_ends, &plan_.query_ends);
    Later(key_ends, &plan_.key_ends);
    Place(lists_.Upload(device_));
    plan_.query_ends = plan_.query_ends.to(at::kInt);
    plan_.key_ends = plan_.key_ends.to(at::kInt);
    return std::move(plan_);
  }

  AttentionPlan Padded() {
    const auto buckets = Buckets(streams_);
    plan_.buckets.resize(buckets.size());
    Rows back(static_cast<std::size_t>(plan_.queries), 0), silent;
    std::int64_t at = 0;
    std::vector<at::Tensor> lengths(buckets.size());
    for (std::size_t b = 0; b < buckets.size(); ++b) {
      AddBucket(buckets[b], &at, &back, &plan_.buckets[b], &lengths[b]);
    }
    for (const AttentionStream& s : streams_) {
      if (Keys(s) > 0) continue;
      for (std::int64_t t = 0; t < s.queries; ++t) silent.push_back(s.first_query + t);
    }
    if (!InOrder(back)) Later(back, &plan_.back);
    if (!silent.empty()) Later(silent, &plan_.silent);
    Place(lists_.Upload(device_));
    for (std::size_t b = 0; b < buckets.size(); ++b) Mask(&plan_.buckets[b], lengths[b]);
    return std::move(plan_);
  }

  // One bucket of all streams, as large as the room. What `sent` makes of the numbers of all lists
  // is taken for what is on the device.
  AttentionPlan Roomy(const std::function<at::Tensor(const Rows&)>& sent) {
    const runtime::StepRoom& step = room_->step;
    plan_.buckets.resize(1);
    AttentionBucket& bucket = plan_.buckets[0];
    bucket.streams = static_cast<std::int64_t>(streams_.size());
    bucket.queries = step.longest_query;
    bucket.keys = (step.longest_key + step.window + kMaskStep - 1) / kMaskStep * kMaskStep;
    Rows query_rows, key_rows, counts, back(static_cast<std::size_t>(plan_.queries), 0);
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      const AttentionStream& s = streams_[i];
      CheckFits(s.queries <= bucket.queries && Keys(s) <= bucket.keys);
      AddQueries(s, static_cast<std::int64_t>(i) * bucket.queries, bucket.queries, &query_rows,
                 &back);
      AddKeys(s, rings_.first_read[i], &key_rows);
      const std::int64_t repeated = Keys(s) > 0 ? key_rows.back() : 0;
      key_rows.resize((i + 1) * static_cast<std::size_t>(bucket.keys), repeated);
      counts.push_back(std::max<std::int64_t>(Keys(s), 1));
    }
    at::Tensor lengths;
    Later(query_rows, &bucket.query_rows);
    Later(key_rows, &bucket.key_rows);
    Later(counts, &lengths);
    Later(back, &plan_.back);
    const at::Tensor all = sent(lists_.numbers());
    if (!all.defined()) return {};
    Place(lists_.Split(all));
    Mask(&bucket, lengths);
    return std::move(plan_);
  }

 private:
  void Later(const Rows& rows, at::Tensor* target) {
    lists_.Add(rows);
    targets_.push_back(target);
  }

  void Place(const std::vector<at::Tensor>& sent) {
    for (std::size_t i = 0; i < sent.size(); ++i) *targets_[i] = sent[i];
  }

  static bool InOrder(const Rows& rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] != static_cast<std::int64_t>(i)) return false;
    }
    return true;
  }

  // Padding repeats a row of the stream's own: what another's holds could be NaN.
  static void AddQueries(const AttentionStream& s, std::int64_t at, std::int64_t count,
                         Rows* query_rows, Rows* back) {
    for (std::int64_t t = 0; t < count; ++t) {
      query_rows->push_back(s.queries > 0 ? s.first_query + std::min(t, s.queries - 1) : 0);
    }
    for (std::int64_t t = 0; t < s.queries; ++t) (*back)[s.first_query + t] = at + t;
  }

  void AddBucket(const std::vector<std::size_t>& members, std::int64_t* at, Rows* back,
                 AttentionBucket* bucket, at::Tensor* lengths) {
    std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
    for (const std::size_t i : members) {
      bucket->queries = std::max(bucket->queries, streams_[i].queries);
      bucket->keys = std::max(bucket->keys, Keys(streams_[i]));
      fewest = std::min(fewest, Keys(streams_[i]));
    }
    bucket->streams = static_cast<std::int64_t>(members.size());
    if (fewest < bucket->keys) {
      bucket->keys = (bucket->keys + kMaskStep - 1) / kMaskStep * kMaskStep;
    }
    Rows query_rows, key_rows, counts;
    for (const std::size_t i : members) {
      const AttentionStream& s = streams_[i];
      AddQueries(s, *at, bucket->queries, &query_rows, back);
      *at += bucket->queries;
      AddKeys(s, rings_.first_read[i], &key_rows);
      for (std::int64_t t = Keys(s); t < bucket->keys; ++t) key_rows.push_back(key_rows.back());
      counts.push_back(Keys(s));
    }
    if (!InOrder(query_rows)) Later(query_rows, &bucket->query_rows);
    if (!InOrder(key_rows) || !plan_.reads.empty()) Later(key_rows, &bucket->key_rows);
    if (fewest < bucket->keys) Later(counts, lengths);
  }

  void Mask(AttentionBucket* bucket, const at::Tensor& lengths) const {
    if (!lengths.defined()) return;
    const at::Tensor numbers = at::arange(bucket->keys, lengths.options()).unsqueeze(0);
    // Added to the scores. Of truth values each layer would make this again.
    bucket->mask =
        at::zeros({bucket->streams, bucket->keys}, lengths.options().dtype(type_))
            .masked_fill_(numbers >= lengths.unsqueeze(1), -std::numeric_limits<double>::infinity())
            .view({bucket->streams, 1, 1, bucket->keys});
  }

  const Streams& streams_;
  const at::ScalarType type_;
  const at::Device device_;
  const Room* const room_;
  std::int64_t new_keys_ = 0;
  Rings rings_;
  AttentionPlan plan_;
  runtime::IndexLists lists_;
  std::vector<at::Tensor*> targets_;
};

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
    Maker maker(streams, type, device);
    return packed ? maker.Packed() : maker.Padded();
  });
}

std::shared_ptr<const AttentionPlan> PlanAttention(runtime::GraphLists& lists,
                                                   const std::function<Streams()>& reread,
                                                   const AttentionSizes& sizes, at::ScalarType type,
                                                   at::Device device) {
  const Streams streams = reread();
  const Room room{lists.room(), sizes, lists.spare_row()};
  return PlanMemo<AttentionPlan>::OfThisThread().Get(Distinct(streams, type, false), device, [&] {
    return Maker(streams, type, device, &room).Roomy([&](const Rows&) {
      const auto fill = [reread, room, type, device] {
        const Streams now = reread();
        Rows filled;
        Maker(now, type, device, &room).Roomy([&](const Rows& numbers) {
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
