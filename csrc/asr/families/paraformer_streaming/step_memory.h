// StepMemory: how what streams remember gets into a batch, and out of it.
//
// There are two kinds. On the host each stream has tensors of its own; on a device the streams'
// rows lie in slabs, which are read and written for all of them at once. The steps of the two
// programs (encode.cc, decode.cc) are the same for both.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "asr/families/paraformer_streaming/graph_room.h"
#include "asr/families/paraformer_streaming/runner.h"
#include "asr/families/paraformer_streaming/step.h"
#include "asr/live/kv_ring.h"
#include "runtime/device_context.h"

namespace safeasr::asr {

class StepMemory {
 public:
  // The kind for the context's device. feature_size: of embedded rows.
  static std::unique_ptr<StepMemory> For(runtime::DeviceContext& context,
                                         const StreamingShapes& shapes, const StreamSlabs& slabs,
                                         std::int64_t feature_size);

  virtual ~StepMemory() = default;
  StepMemory(const StepMemory&) = delete;
  StepMemory& operator=(const StepMemory&) = delete;

  virtual RingList Rings(const std::vector<StepPart>& parts) const = 0;

  // Before the encoder. append: rows that it writes to the ring. expected: rows that the ring will
  // hold in the long run.
  virtual void ReserveEncoderRing(StreamStep& step, std::int64_t append,
                                  std::int64_t expected) const = 0;
  // The embedded rows of former steps that are run again, of all steps one below the other.
  virtual at::Tensor Overlaps(std::vector<StreamStep>& steps) const = 0;

  // After it. embedded: (rows, feature size), those of this step.
  virtual void KeepOverlaps(std::vector<StreamStep>& steps, const at::Tensor& embedded) const = 0;
  // The tokens that fire by the weights (rows) of the encoder's rows, into steps and `encoded`.
  virtual void Integrate(std::vector<StreamStep>& steps, const at::Tensor& weights,
                         EncodedSteps* encoded) const = 0;

  // Before the decoder: as for the encoder.
  virtual void ReserveDecoder(StreamStep& step, std::int64_t append,
                              std::int64_t expected) const = 0;
  // The rows of these steps alone, of (rows, size) of a batch. room: how many are wanted; 0: as
  // many as there are, and padding where it is of use.
  virtual at::Tensor SelectRows(const std::vector<StreamStep*>& steps, const at::Tensor& rows,
                                std::int64_t room) const = 0;
  // The decoder's memories, and where it writes the next ones.
  struct Memories {
    std::vector<at::Tensor> past, next;
  };
  virtual Memories DecoderMemories(const std::vector<StreamStep*>& steps) const = 0;

  // After it. written: what the decoder wrote, as DecoderMemories gave it or with padding behind.
  virtual void KeepMemories(const std::vector<StreamStep*>& steps,
                            const std::vector<at::Tensor>& written) const = 0;

 protected:
  StepMemory(runtime::DeviceContext& context, const StreamingShapes& shapes,
             std::int64_t feature_size)
      : context_(context), shapes_(shapes), feature_size_(feature_size) {}

  // The steps' rows for CIF. weights: (rows) on the host, of which those that are not decided in
  // this step become zeros. hidden: (rows, size) on the host, or null. Throws std::runtime_error
  // for weights that are not finite.
  std::vector<CifChunk> Chunks(const std::vector<StreamStep>& steps, const at::Tensor& weights,
                               const float* hidden, std::int64_t size) const;
  std::int64_t kept_rows() const { return shapes_.decoder_kernel - 1; }

  runtime::DeviceContext& context_;
  const StreamingShapes& shapes_;
  const std::int64_t feature_size_;
};

class HostMemory final : public StepMemory {
 public:
  HostMemory(runtime::DeviceContext& context, const StreamingShapes& shapes,
             std::int64_t feature_size)
      : StepMemory(context, shapes, feature_size) {}

  RingList Rings(const std::vector<StepPart>& parts) const override;
  void ReserveEncoderRing(StreamStep& step, std::int64_t append,
                          std::int64_t expected) const override;
  at::Tensor Overlaps(std::vector<StreamStep>& steps) const override;
  void KeepOverlaps(std::vector<StreamStep>& steps, const at::Tensor& embedded) const override;
  void Integrate(std::vector<StreamStep>& steps, const at::Tensor& weights,
                 EncodedSteps* encoded) const override;
  void ReserveDecoder(StreamStep& step, std::int64_t append, std::int64_t expected) const override;
  at::Tensor SelectRows(const std::vector<StreamStep*>& steps, const at::Tensor& rows,
                        std::int64_t room) const override;
  Memories DecoderMemories(const std::vector<StreamStep*>& steps) const override;
  void KeepMemories(const std::vector<StreamStep*>& steps,
                    const std::vector<at::Tensor>& written) const override;
};

class SlabMemory final : public StepMemory {
 public:
  SlabMemory(runtime::DeviceContext& context, const StreamingShapes& shapes,
             std::int64_t feature_size, const StreamSlabs& slabs)
      : StepMemory(context, shapes, feature_size), slabs_(slabs) {}

  RingList Rings(const std::vector<StepPart>& parts) const override;
  void ReserveEncoderRing(StreamStep& step, std::int64_t append,
                          std::int64_t expected) const override;
  at::Tensor Overlaps(std::vector<StreamStep>& steps) const override;
  void KeepOverlaps(std::vector<StreamStep>& steps, const at::Tensor& embedded) const override;
  void Integrate(std::vector<StreamStep>& steps, const at::Tensor& weights,
                 EncodedSteps* encoded) const override;
  void ReserveDecoder(StreamStep& step, std::int64_t append, std::int64_t expected) const override;
  at::Tensor SelectRows(const std::vector<StreamStep*>& steps, const at::Tensor& rows,
                        std::int64_t room) const override;
  Memories DecoderMemories(const std::vector<StreamStep*>& steps) const override;
  void KeepMemories(const std::vector<StreamStep*>& steps,
                    const std::vector<at::Tensor>& written) const override;

 private:
  const StreamSlabs& slabs_;
};

}  // namespace safeasr::asr
