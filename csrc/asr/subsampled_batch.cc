#include "asr/subsampled_batch.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "asr/ragged_batch.h"
#include "runtime/upload.h"

namespace safeasr::asr {
namespace {

using Kind = RelativePositions::Kind;

std::int64_t RowsAfter(const StridedLayer& layer, std::int64_t rows) {
  return rows < layer.kernel ? 0 : (rows - layer.kernel) / layer.stride + 1;
}

std::int64_t WithPadding(std::int64_t rows, at::Device device) {
  return Padded(rows, StepOn(device, RowStep(rows)));
}

// Positions, and where each utterance's begin.
struct Positioned {
  std::vector<float> positions;
  std::vector<std::int64_t> firsts;
};

Positioned ByDistance(const std::vector<std::int64_t>& lengths) {
  const std::int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  Positioned found;
  for (std::int64_t d = longest - 1; d > -longest; --d) {
    found.positions.push_back(static_cast<float>(d));
  }
  for (const std::int64_t rows : lengths) found.firsts.push_back(longest - rows);
  return found;
}

Positioned Shifted(const std::vector<std::int64_t>& lengths, std::int64_t table) {
  Positioned found;
  std::int64_t shared = 0;  // rows of the table that utterances share
  for (const std::int64_t rows : lengths) {
    if (rows <= table) shared = std::max(shared, rows);
  }
  const auto add = [&found](std::int64_t from, std::int64_t count) {
    for (std::int64_t k = 1; k <= count; ++k) {
      found.positions.push_back(static_cast<float>(from - k));
    }
  };
  add(table, shared);
  for (const std::int64_t rows : lengths) {
    const auto here = static_cast<std::int64_t>(found.positions.size());
    found.firsts.push_back(rows <= table ? 0 : here);
    if (rows > table) add(rows, rows);
  }
  return found;
}

Positioned PositionsOf(const RelativePositions& asked, const std::vector<std::int64_t>& lengths,
                       at::Device device) {
  Positioned found;
  if (asked.kind == Kind::kByDistance) found = ByDistance(lengths);
  if (asked.kind == Kind::kShifted) found = Shifted(lengths, asked.table);
  if (asked.kind == Kind::kNone) {
    found.firsts.assign(lengths.size(), 0);
    return found;
  }
  const auto count = static_cast<std::int64_t>(found.positions.size());
  found.positions.resize(static_cast<std::size_t>(WithPadding(count, device)), 0.0f);
  return found;
}

}  // namespace

std::int64_t RowsAfter(const std::vector<StridedLayer>& layers, std::int64_t rows) {
  for (const StridedLayer& layer : layers) rows = RowsAfter(layer, rows);
  return rows;
}

LongEnough FeaturesOfLongEnough(const EncoderShape& shape, const Frontend* frontend,
                                const std::vector<const Utterance*>& batch, at::Device device) {
  FeatureRows all = BatchFeatures(frontend, batch, device);
  LongEnough found;
  std::vector<at::Tensor> parts;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::int64_t frames = all.lengths[i];
    if (RowsAfter(shape.layers, frames) > 0) {
      found.places.push_back(i);
      found.features.lengths.push_back(frames);
      parts.push_back(all.values.narrow(0, first, frames));
    }
    first += frames;
  }
  if (parts.empty()) return found;
  found.features.values = parts.size() == batch.size() ? all.values : at::cat(parts);
  return found;
}

SubsampledBatch Subsampled(const EncoderShape& shape, const FeatureRows& features,
                           const runtime::DeviceContext& context) {
  const at::Device device = context.device();
  SubsampledBatch batch;
  batch.lengths = features.lengths;
  std::vector<at::Tensor> starts;
  for (const StridedLayer& layer : shape.layers) {
    const std::vector<std::int64_t> before = Offsets(batch.lengths);
    std::vector<std::int64_t> begins;
    for (std::size_t i = 0; i < batch.lengths.size(); ++i) {
      batch.lengths[i] = RowsAfter(layer, batch.lengths[i]);
      for (std::int64_t t = 0; t < batch.lengths[i]; ++t) {
        begins.push_back(before[i] + t * layer.stride);
      }
    }
    const std::int64_t rows = WithPadding(static_cast<std::int64_t>(begins.size()), device);
    begins.resize(static_cast<std::size_t>(rows), 0);
    starts.push_back(context.Upload(Numbers(begins)));
  }
  batch.offsets = Offsets(batch.lengths);
  batch.rows = WithPadding(batch.offsets.back(), device);
  const Positioned found = PositionsOf(shape.positions, batch.lengths, device);
  batch.inputs = {starts.empty() ? PadRows(features.values, StepOn(device, RowStep(batch.rows)))
                                 : features.values,
                  starts,
                  context.Upload(Positions(batch.lengths, batch.rows)),
                  Numbers(batch.offsets),
                  runtime::Upload(found.positions, device),
                  Numbers(found.firsts)};
  return batch;
}

}  // namespace safeasr::asr
