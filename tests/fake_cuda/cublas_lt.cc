// The functions of cuBLASLt that give something back, as in cublas.cc.
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace {

int Make(void** made) {
  *made = new char;
  return 0;
}

int Destroy(void* made) {
  delete static_cast<char*>(made);
  return 0;
}

// cublasLtMatmulHeuristicResult_t.
struct Heuristic {
  std::uint64_t algorithm[8];
  std::size_t workspace;
  int state;
  float waves;
  int reserved[4];
};

}  // namespace

extern "C" {

std::size_t cublasLtGetVersion() { return 130000; }

int cublasLtMatmulDescCreate(void** made, int /*compute*/, int /*scale*/) { return Make(made); }
int cublasLtMatmulDescDestroy(void* made) { return Destroy(made); }
int cublasLtMatrixLayoutCreate(void** made, int /*type*/, std::uint64_t /*rows*/,
                               std::uint64_t /*columns*/, std::int64_t /*stride*/) {
  return Make(made);
}
int cublasLtMatrixLayoutDestroy(void* made) { return Destroy(made); }
int cublasLtMatmulPreferenceCreate(void** made) { return Make(made); }
int cublasLtMatmulPreferenceDestroy(void* made) { return Destroy(made); }

int cublasLtMatmulAlgoGetHeuristic(void* /*handle*/, void* /*description*/, void* /*a*/,
                                   void* /*b*/, void* /*c*/, void* /*d*/, void* /*preference*/,
                                   int /*wanted*/, Heuristic* found, int* count) {
  std::memset(found, 0, sizeof *found);
  *count = 1;
  return 0;
}
}
