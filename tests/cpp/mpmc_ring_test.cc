#include "core/mpmc_ring.h"

#include <cstdint>
#include <limits>
#include <memory>

#include "check.h"
#include "support.h"

using namespace safeasr::core;

TEST(IsFifoAlone) {
  MpmcRing<int> ring(8);
  for (int lap = 0; lap < 5; ++lap) {
    for (int i = 0; i < 6; ++i) {
      int item = lap * 10 + i;
      CHECK(ring.TryPush(item));
    }
    for (int i = 0; i < 6; ++i) {
      int item = -1;
      CHECK(ring.TryPop(item));
      CHECK_EQ(item, lap * 10 + i);
    }
  }
}

TEST(FullAndEmptyLeaveTheItemAlone) {
  MpmcRing<int> ring(2);
  int item = 7;
  CHECK(!ring.TryPop(item));
  CHECK_EQ(item, 7);
  for (int i = 0; i < 2; ++i) CHECK(ring.TryPush(i));
  CHECK(!ring.TryPush(item));
  CHECK_EQ(item, 7);
  CHECK(ring.TryPop(item));
  CHECK_EQ(item, 0);
  item = 9;
  CHECK(ring.TryPush(item));
}

TEST(CapacityIsRoundedUpToAPowerOfTwo) {
  CHECK_EQ(MpmcRing<int>(1).capacity(), 2u);
  CHECK_EQ(MpmcRing<int>(2).capacity(), 2u);
  CHECK_EQ(MpmcRing<int>(3).capacity(), 4u);
  CHECK_EQ(MpmcRing<int>(1024).capacity(), 1024u);
  CHECK_EQ(MpmcRing<int>(1025).capacity(), 2048u);
  CHECK_THROWS(MpmcRing<int>(0), std::invalid_argument);
  CHECK_THROWS(MpmcRing<int>(std::numeric_limits<std::size_t>::max()), std::length_error);
}

TEST(EveryCellOfARoundedRingIsUsable) {
  MpmcRing<int> ring(5);
  for (int i = 0; i < 8; ++i) CHECK(ring.TryPush(i));
  int more = 8;
  CHECK(!ring.TryPush(more));
}

TEST(MovesItemsAndKeepsARefusedOne) {
  MpmcRing<std::unique_ptr<int>> ring(2);
  auto a = std::make_unique<int>(1), b = std::make_unique<int>(2), c = std::make_unique<int>(3);
  CHECK(ring.TryPush(a));
  CHECK(!a);
  CHECK(ring.TryPush(b));
  CHECK(!ring.TryPush(c));
  CHECK(c && *c == 3);
  std::unique_ptr<int> out;
  CHECK(ring.TryPop(out));
  CHECK(out && *out == 1);
}

TEST(PoppedItemsDoNotLiveOnInTheRing) {
  MpmcRing<std::shared_ptr<int>> ring(4);
  auto item = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = item;
  CHECK(ring.TryPush(item));
  std::shared_ptr<int> out;
  CHECK(ring.TryPop(out));
  out.reset();
  CHECK(seen.expired());
}

TEST(ItemsLeftInTheRingAreDestroyedWithIt) {
  std::weak_ptr<int> seen;
  {
    MpmcRing<std::shared_ptr<int>> ring(4);
    auto item = std::make_shared<int>(1);
    seen = item;
    CHECK(ring.TryPush(item));
    CHECK(!seen.expired());
  }
  CHECK(seen.expired());
}

namespace {

// Many producers, many consumers: every item arrives once, and each consumer sees the items of one
// producer in the order of their pushes.
void Hammer(std::size_t capacity, std::size_t producers, std::size_t consumers, int each) {
  MpmcRing<std::uint64_t> ring(capacity);
  const std::size_t total = producers * static_cast<std::size_t>(each);
  std::vector<std::atomic<int>> seen(total);
  std::atomic<std::size_t> popped{0};
  Together(producers + consumers, [&](std::size_t thread) {
    if (thread < producers) {
      for (int i = 0; i < each; ++i) {
        std::uint64_t item = thread << 32 | static_cast<std::uint64_t>(i);
        while (!ring.TryPush(item)) std::this_thread::yield();
      }
      return;
    }
    std::vector<std::int64_t> last(producers, -1);
    while (popped.load() < total) {
      std::uint64_t item = 0;
      if (!ring.TryPop(item)) {
        std::this_thread::yield();
        continue;
      }
      popped.fetch_add(1);
      const std::size_t producer = item >> 32;
      const auto index = static_cast<std::int64_t>(item & 0xffffffffu);
      CHECK(index > last[producer]);
      last[producer] = index;
      seen[producer * static_cast<std::size_t>(each) + static_cast<std::size_t>(index)]++;
    }
  });
  for (const auto& count : seen) CHECK_EQ(count.load(), 1);
  std::uint64_t item = 0;
  CHECK(!ring.TryPop(item));
}

}  // namespace

TEST(NothingIsLostInASmallRing) { Hammer(2, 4, 4, Scaled(20000)); }
TEST(NothingIsLostInALargeRing) { Hammer(1024, 4, 4, Scaled(200000)); }
TEST(NothingIsLostWithOneProducer) { Hammer(16, 1, 7, Scaled(50000)); }
TEST(NothingIsLostWithOneConsumer) { Hammer(16, 7, 1, Scaled(20000)); }
