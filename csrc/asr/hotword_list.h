// A list of hotwords as recognisers take it: encoded once, whoever needs it first.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace safeasr::asr {

class HotwordList {
 public:
  // words: ids of each word's pieces, none empty, one word at least. Throws std::invalid_argument.
  explicit HotwordList(std::vector<std::vector<std::int64_t>> words);

  std::int64_t size() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
  // All words' ids one behind the other, and where each begins (size() + 1).
  const std::vector<std::int64_t>& ids() const { return ids_; }
  const std::vector<std::int64_t>& offsets() const { return offsets_; }

  // A row for each word (size(), D) float32 on the CPU. The first caller computes them by `encode`;
  // others that want this list meanwhile wait for it, and if it throws, the next one tries.
  at::Tensor Rows(const std::function<at::Tensor(const HotwordList&)>& encode) const;
  bool encoded() const { return encoded_; }

 private:
  std::vector<std::int64_t> ids_, offsets_;
  mutable std::mutex mutex_;
  mutable at::Tensor rows_;
  mutable std::atomic<bool> encoded_{false};
};

}  // namespace safeasr::asr
