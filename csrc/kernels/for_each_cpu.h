// Kernels that are worth a version of their own for each instruction set.
#pragma once

// The compiler makes a version for each instruction set, and the loader picks one: the extension is
// built for any x86-64.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define SAFEASR_FOR_EACH_CPU __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SAFEASR_FOR_EACH_CPU
#endif
