#include "asr/live/slab_rows.h"

#include <ATen/ATen.h>

#include <utility>

#include "runtime/upload.h"

namespace safeasr::asr {
namespace {

using Rows = std::vector<std::int64_t>;

// Streams that lie in one slab.
struct InSlab {
  at::Tensor slab;
  Rows rows, places;  // in the slab; among the rows of all streams
};

InSlab& Find(std::vector<InSlab>* slabs, const at::Tensor& slab) {
  for (InSlab& one : *slabs) {
    if (one.slab.is_same(slab)) return one;
  }
  slabs->push_back({slab, {}, {}});
  return slabs->back();
}

}  // namespace

void SlabRows::Reserve(SlabPool& pool, std::int64_t rows, at::Device device) {
  if (!slot && rows > 0) slot = pool.Take(2 * rows, device);
}

void SlabRows::Detach() {
  if (slot) slot = slot->Copy();
}

at::Tensor ReadSlabRows(const std::vector<const SlabRows*>& streams) {
  std::vector<InSlab> slabs;
  std::int64_t place = 0;
  for (const SlabRows* stream : streams) {
    if (!stream->slot) continue;
    InSlab& in = Find(&slabs, stream->slot->slab);
    const std::int64_t zeros = in.slab.size(-2) - 1;
    for (std::int64_t t = 0; t < stream->count(); ++t) {
      in.rows.push_back(
          stream->half < 0 ? zeros : stream->slot->first + stream->half * stream->count() + t);
      in.places.push_back(place++);
    }
  }
  TORCH_CHECK(!slabs.empty(), "rows of no stream");
  runtime::IndexLists lists;
  Rows back(static_cast<std::size_t>(place));
  std::int64_t at = 0;
  for (const InSlab& in : slabs) {
    lists.Add(in.rows);
    for (const std::int64_t row : in.places) back[static_cast<std::size_t>(row)] = at++;
  }
  if (slabs.size() > 1) lists.Add(back);
  const std::vector<at::Tensor> sent = lists.Upload(slabs[0].slab.device());
  std::vector<at::Tensor> parts;
  for (std::size_t i = 0; i < slabs.size(); ++i) {
    parts.push_back(slabs[i].slab.index_select(-2, sent[i]));
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, -2).index_select(-2, sent.back());
}

void WriteSlabRows(const std::vector<SlabRows*>& streams, const at::Tensor& rows,
                   const std::vector<std::int64_t>& first) {
  std::vector<InSlab> slabs;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    SlabRows& stream = *streams[i];
    if (!stream.slot) continue;
    InSlab& in = Find(&slabs, stream.slot->slab);
    stream.half = stream.half == 0 ? 1 : 0;
    for (std::int64_t t = 0; t < stream.count(); ++t) {
      in.rows.push_back(stream.slot->first + stream.half * stream.count() + t);
      in.places.push_back(first[i] + t);
    }
  }
  if (slabs.empty()) return;
  runtime::IndexLists lists;
  for (const InSlab& in : slabs) {
    lists.Add(in.rows);
    lists.Add(in.places);
  }
  const std::vector<at::Tensor> sent = lists.Upload(slabs[0].slab.device());
  for (std::size_t i = 0; i < slabs.size(); ++i) {
    slabs[i].slab.index_copy_(-2, sent[2 * i], rows.index_select(-2, sent[2 * i + 1]));
  }
}

}  // namespace safeasr::asr
