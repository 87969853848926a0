// Batches of encoders that begin with convolutions over time, which make a row of several.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "asr/features/frontend.h"
#include "asr/utterance.h"
#include "runtime/device_context.h"
#include "runtime/program.h"

namespace safeasr::asr {

// A convolution over time, without padding.
struct StridedLayer {
  std::int64_t kernel = 3, stride = 2;
};

// Which encodings of positions an encoder's attention takes.
struct RelativePositions {
  enum class Kind { kNone, kByDistance, kShifted };  // RelativeKind in relative_attention_kernel.h
  Kind kind = Kind::kNone;
  // Shifted, an utterance of at most so many rows has the encodings of the numbers below it, from
  // the highest down; a longer one those below its own number of rows.
  std::int64_t table = 5000;
};

struct EncoderShape {
  std::vector<StridedLayer> layers;  // in front
  RelativePositions positions;
};

// Rows that an encoder makes of so many rows of features; 0 if they are too few for one.
std::int64_t RowsAfter(const std::vector<StridedLayer>& layers, std::int64_t rows);

// The features of those utterances of a batch that are long enough for a row of the encoder.
struct LongEnough {
  std::vector<std::size_t> places;  // in the batch
  FeatureRows features;
};

LongEnough FeaturesOfLongEnough(const EncoderShape& shape, const Frontend* frontend,
                                const std::vector<const Utterance*>& batch, at::Device device);

// What an encoder's program takes of a batch, and how its rows lie.
struct SubsampledBatch {
  // features (frames, F); of each layer in front the rows (n) int64 where its kernel begins, in
  // what came before, padding at the end; numbers (rows) float32 of the rows in their utterances,
  // from 1; offsets (B + 1) int64 on the CPU; positions (m) float32 that attention knows, and
  // (B) int64 on the CPU where each utterance's begin.
  std::vector<runtime::ProgramInput> inputs;
  std::vector<std::int64_t> lengths;  // rows of each utterance
  std::vector<std::int64_t> offsets;  // (B + 1)
  std::int64_t rows = 0;              // with padding
};

// Of utterances each of which gives a row at least.
SubsampledBatch Subsampled(const EncoderShape& shape, const FeatureRows& features,
                           const runtime::DeviceContext& context);

}  // namespace safeasr::asr
