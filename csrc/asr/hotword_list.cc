#include "asr/hotword_list.h"

#include <stdexcept>

namespace safeasr::asr {

HotwordList::HotwordList(std::vector<std::vector<std::int64_t>> words) : offsets_{0} {
  if (words.empty()) throw std::invalid_argument("expected hotwords, got none");
  for (const std::vector<std::int64_t>& word : words) {
    if (word.empty()) throw std::invalid_argument("a hotword has no pieces");
    ids_.insert(ids_.end(), word.begin(), word.end());
    offsets_.push_back(static_cast<std::int64_t>(ids_.size()));
  }
}

at::Tensor HotwordList::Rows(const std::function<at::Tensor(const HotwordList&)>& encode) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!rows_.defined()) {
    rows_ = encode(*this);
    encoded_ = true;
  }
  return rows_;
}

}  // namespace safeasr::asr
