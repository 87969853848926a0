#include "asr/ops/device/attention_buckets.h"

#include <algorithm>

namespace safeasr::asr {

std::vector<std::vector<std::size_t>> BucketStreams(const std::vector<AttentionStream>& streams) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (streams[i].queries > 0 && KeysOf(streams[i]) > 0) order.push_back(i);
  }
  const auto padded = [&](std::size_t begin, std::size_t end) {
    std::int64_t keys = 0, most_keys = 0, queries = 0, most_queries = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const AttentionStream& s = streams[order[i]];
      keys += KeysOf(s);
      most_keys = std::max(most_keys, KeysOf(s));
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
    return KeysOf(streams[a]) > KeysOf(streams[b]);
  });
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = order.size();
    if (padded(begin, end)) {
      end = begin;
      while (end < order.size() &&
             2 * KeysOf(streams[order[end]]) >= KeysOf(streams[order[begin]])) {
        ++end;
      }
    }
    buckets.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(begin),
                         order.begin() + static_cast<std::ptrdiff_t>(end));
    begin = end;
  }
  return buckets;
}

}  // namespace safeasr::asr
