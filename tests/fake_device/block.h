// A block of device memory: host memory that nobody but this backend touches, and who used it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "clocks.h"

namespace fake {

// Bytes [begin, end) of a block.
struct ByteRange {
  std::size_t begin, end;
};

// One use of some bytes of a block by a stream's n-th operation.
struct Access {
  std::vector<ByteRange> ranges;  // sorted, with gaps between them; never empty
  int stream;
  std::uint64_t n;
  bool write;
  std::string what;
};

struct Block {
  void* data = nullptr;
  std::size_t bytes = 0;  // rounded up
  int device = 0;
  int stream = 0;                     // whose free list it comes from and returns to
  std::vector<Access> uses{};         // those that could still matter to somebody
  std::set<int> recorded{};           // streams named by record_stream
  const void* recorded_in = nullptr;  // the Recording (graphs.h) that it was taken for
};

// What every byte is set to that nobody has written yet: NaN in any floating point type, -1 in any
// signed integer.
constexpr int kPoison = 0xff;

}  // namespace fake
