// The LSTM, for every instruction set of this processor, against plain loops in double, and against
// itself in other company.
#include "kernels/lstm_kernel.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "check.h"
#include "lanes.h"

namespace safeasr::kernels {
namespace {

constexpr std::int64_t kIn = 24, kSize = 32, kGates = 4 * kSize;

std::int64_t Panel(std::int64_t output, std::int64_t row, std::int64_t rows) {
  return (output / kLstmPanel * rows + row) * kLstmPanel + output % kLstmPanel;
}

struct Network {
  std::vector<float> input = RandomNumbers<float>(kGates * kIn, 1, 0.4f);
  std::vector<float> hidden = RandomNumbers<float>(kGates * kSize, 2, 0.4f);
  std::vector<float> bias = RandomNumbers<float>(kGates, 3);

  LstmWeights weights() const { return {input.data(), hidden.data(), bias.data(), kIn, kSize}; }
};

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// The rows of one sequence.
std::vector<double> Reference(const Network& net, const float* x, std::int64_t count,
                              bool backward) {
  std::vector<double> h(kSize, 0.0), c(kSize, 0.0), gates(kGates);
  std::vector<double> out(static_cast<std::size_t>(count * kSize));
  for (std::int64_t step = 0; step < count; ++step) {
    const std::int64_t t = backward ? count - 1 - step : step;
    for (std::int64_t g = 0; g < kGates; ++g) {
      double sum = net.bias[static_cast<std::size_t>(g)];
      for (std::int64_t i = 0; i < kIn; ++i) {
        sum += static_cast<double>(net.input[static_cast<std::size_t>(Panel(g, i, kIn))]) *
               x[t * kIn + i];
      }
      for (std::int64_t i = 0; i < kSize; ++i) {
        sum += net.hidden[static_cast<std::size_t>(Panel(g, i, kSize))] *
               h[static_cast<std::size_t>(i)];
      }
      gates[static_cast<std::size_t>(g)] = sum;
    }
    for (std::int64_t i = 0; i < kSize; ++i) {
      const auto at = [&](std::int64_t g) {
        return gates[static_cast<std::size_t>(g * kSize + i)];
      };
      double& cell = c[static_cast<std::size_t>(i)];
      cell = Sigmoid(at(1)) * cell + Sigmoid(at(0)) * std::tanh(at(2));
      h[static_cast<std::size_t>(i)] = Sigmoid(at(3)) * std::tanh(cell);
      out[static_cast<std::size_t>(t * kSize + i)] = h[static_cast<std::size_t>(i)];
    }
  }
  return out;
}

std::vector<LstmSequence> Sequences(std::vector<std::int64_t> lengths) {
  std::vector<LstmSequence> sequences;
  std::int64_t first = 0;
  for (const std::int64_t length : lengths) {
    sequences.push_back({first, length});
    first += length;
  }
  return sequences;
}

const std::vector<std::int64_t> kLengths = {150, 97, 96, 40, 40, 40, 7, 7, 3, 2, 1, 1, 1};

void CheckNumbers(int lanes, bool backward) {
  const Network net;
  const std::vector<LstmSequence> sequences = Sequences(kLengths);
  const std::int64_t rows = sequences.back().first + sequences.back().count;
  const std::vector<float> x = RandomNumbers<float>(rows * kIn, 4);
  std::vector<float> out(static_cast<std::size_t>(rows * 2 * kSize), -7.0f);
  RunLstm(net.weights(), sequences, backward, {x.data(), out.data() + kSize, 2 * kSize}, lanes);
  for (const LstmSequence& one : sequences) {
    const std::vector<double> expected =
        Reference(net, x.data() + one.first * kIn, one.count, backward);
    std::vector<float> alone(static_cast<std::size_t>(one.count * kSize));
    RunLstm(net.weights(), {{0, one.count}}, backward,
            {x.data() + one.first * kIn, alone.data(), kSize}, lanes);
    for (std::int64_t t = 0; t < one.count; ++t) {
      const float* row = out.data() + (one.first + t) * 2 * kSize;
      for (std::int64_t i = 0; i < kSize; ++i) {
        CHECK(row[i] == -7.0f);  // of the other direction
        const double right = expected[static_cast<std::size_t>(t * kSize + i)];
        CHECK(std::abs(row[kSize + i] - right) < 2e-6);
      }
      CHECK(std::memcmp(row + kSize, alone.data() + t * kSize, kSize * sizeof(float)) == 0);
    }
  }
}

void CheckThatItCanBeStopped(int lanes) {
  const Network net;
  const std::vector<float> x = RandomNumbers<float>(200 * kIn, 5);
  std::vector<float> out(200 * kSize);
  int asked = 0;
  bool stopped = false;
  try {
    RunLstm(net.weights(), {{0, 200}}, false, {x.data(), out.data(), kSize}, lanes, [&] {
      if (++asked == 2) throw std::runtime_error("nobody wants it");
    });
  } catch (const std::runtime_error&) {
    stopped = true;
  }
  CHECK(stopped);
  RunLstm(net.weights(), {}, false, {x.data(), out.data(), kSize}, lanes);  // nothing to do
}

TEST(NumbersAndCompany) {
  for (const int lanes : Lanes()) {
    CheckNumbers(lanes, false);
    CheckNumbers(lanes, true);
  }
}

// Two pieces, the second from the state behind the first, beside one that is shorter.
void CheckThatItGoesOn(int lanes) {
  Network net;
  net.input = RandomNumbers<float>(kGates * kSize, 1, 0.4f);
  const LstmWeights weights{net.input.data(), net.hidden.data(), net.bias.data(), kSize, kSize};
  constexpr std::int64_t kSteps = 90, kFirst = 61, kState = 2;
  const std::vector<float> x = RandomNumbers<float>(kSteps * kSize, 6);
  std::vector<float> whole(x.size());
  RunLstm(weights, {{0, kSteps}}, false, {x.data(), whole.data(), kSize}, lanes);
  std::vector<float> state(kState * kSize, 0.0f);
  for (const auto& [begin, end] : {std::pair{std::int64_t{0}, kFirst}, std::pair{kFirst, kSteps}}) {
    const std::int64_t count = kState + end - begin;
    std::vector<float> rows = state;
    rows.insert(rows.end(), x.begin() + begin * kSize, x.begin() + end * kSize);
    rows.insert(rows.end(), (kState + 1) * kSize, 0.5f);  // another one, of a step
    std::vector<float> out(rows.size());
    RunLstm(weights, {{0, count}, {count, kState + 1}}, false,
            {rows.data(), out.data(), kSize, true}, lanes);
    CHECK(std::memcmp(out.data() + kState * kSize, whole.data() + begin * kSize,
                      static_cast<std::size_t>((end - begin) * kSize) * sizeof(float)) == 0);
    CHECK(std::memcmp(out.data(), whole.data() + (end - 1) * kSize, kSize * sizeof(float)) == 0);
    state.assign(out.begin(), out.begin() + kState * kSize);
  }
}

TEST(ItGoesOn) {
  for (const int lanes : Lanes()) CheckThatItGoesOn(lanes);
}

TEST(ItCanBeStopped) {
  for (const int lanes : Lanes()) CheckThatItCanBeStopped(lanes);
}

}  // namespace
}  // namespace safeasr::kernels
