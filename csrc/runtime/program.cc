#include "runtime/program.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <exception>
#include <stdexcept>
#include <thread>
#include <utility>

#include "core/forks.h"
#include "runtime/intra_op_threads.h"
#include "runtime/replicated_program.h"
#include "runtime/torchscript_program.h"

namespace safeasr::runtime {
namespace {

// Runs `work` on a thread of its own whose operators use one thread, and rethrows what it throws.
// Loading copies and reorders weights: bound by memory, so a team of threads mostly waits, and on a
// busy machine spins. Programs are better loaded side by side, by callers.
template <class Work>
void RunSingleThreaded(Work work) {
  std::exception_ptr error;
  const auto run = [&] {
    try {
      SetIntraOpThreadsForThisThread(1);
      work();
    } catch (...) {
      error = std::current_exception();
    }
  };
  std::thread thread;
  {
    const core::NoForks no_forks;
    thread = std::thread(run);
  }
  thread.join();
#if defined(__GLIBC__)
  // The weights as they came from the file are freed by now, in pieces that glibc would keep: with
  // an export in the same process, more than the model itself.
  malloc_trim(0);
#endif
  if (error) std::rethrow_exception(error);
}

std::shared_ptr<const Program> LoadOn(at::Device device, const std::string& path,
                                      const ProgramOptions& options) {
  auto program = std::make_shared<TorchScriptProgram>(path, device, options.pack_weights);
  if (!device.is_cpu()) {
    // Workers' streams do not wait for the one that copied the weights.
    c10::impl::VirtualGuardImpl(device.type()).getStream(device).synchronize();
  }
  return program;
}

}  // namespace

std::shared_ptr<const Program> Program::Load(const std::string& path,
                                             const ProgramOptions& options) {
  const auto dot = path.rfind('.');
  const std::string kind = dot == std::string::npos ? "" : path.substr(dot);
  if (kind == ".ts") {
    std::vector<ReplicatedProgram::Copy> copies;
    RunSingleThreaded([&] {
      for (const at::Device& device : options.devices) {
        copies.push_back({device, LoadOn(device, path, options)});
      }
    });
    if (copies.size() == 1) return copies.front().program;
    return std::make_shared<ReplicatedProgram>(std::move(copies));
  }
  throw std::invalid_argument("unknown kind of program '" + kind + "' (expected .ts): " + path);
}

}  // namespace safeasr::runtime
