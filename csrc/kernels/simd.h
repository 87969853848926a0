// Vectors of floats, and one function compiled for several instruction sets.
//
// The extension is built for any x86-64, so what pays for it is compiled three times and the
// processor picks at run time. Code is written once, as templates over the number of lanes that are
// always inlined into an entry point of each instruction set:
//
//   template <int kLanes> SAFEASR_INLINE void Kernel(const Args& args) { ... }
//   SAFEASR_ENTRY_POINTS(RunKernel, Kernel, Args)  // void RunKernel(const Args&, int lanes)
#pragma once

#if !defined(__GNUC__)
#error "needs the vector extensions of GCC or Clang"
#endif

#include <cstdint>

#define SAFEASR_INLINE inline __attribute__((always_inline))

namespace safeasr::kernels {

// kLanes floats that may lie at any address where a float may lie. Never an argument or a result
// of a function by value: how those are passed depends on the instruction set.
template <int kLanes>
struct Simd {
  typedef float Floats __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
  typedef std::uint32_t Words __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
};

template <int kLanes>
SAFEASR_INLINE typename Simd<kLanes>::Floats& At(float* p) {
  return *reinterpret_cast<typename Simd<kLanes>::Floats*>(p);
}

template <int kLanes>
SAFEASR_INLINE const typename Simd<kLanes>::Floats& At(const float* p) {
  return *reinterpret_cast<const typename Simd<kLanes>::Floats*>(p);
}

// What the processor has: 16 lanes (AVX-512), 8 (AVX2 with FMA) or 4.
inline int SimdLanes() {
#if defined(__x86_64__)
  static const int lanes = [] {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return 16;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 8 : 4;
  }();
  return lanes;
#else
  return 4;
#endif
}

}  // namespace safeasr::kernels

// NOLINTBEGIN(bugprone-macro-parentheses): a type and names stand bare
#if defined(__x86_64__)
#define SAFEASR_ENTRY_POINTS(name, kernel, Args)                                               \
  __attribute__((target("avx512f,fma"))) void name##16(const Args& args) { kernel<16>(args); } \
  __attribute__((target("avx2,fma"))) void name##8(const Args& args) { kernel<8>(args); }      \
  void name##4(const Args& args) { kernel<4>(args); }                                          \
  void name(const Args& args, int lanes) {                                                     \
    if (lanes == 16) return name##16(args);                                                    \
    lanes == 8 ? name##8(args) : name##4(args);                                                \
  }
#else
#define SAFEASR_ENTRY_POINTS(name, kernel, Args) \
  void name(const Args& args, int) { kernel<4>(args); }
#endif
// NOLINTEND(bugprone-macro-parentheses)
