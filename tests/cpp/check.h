// A small test harness: TEST(name) { ... } and checks that print where and what, and go on.
// Checks may be made from any thread. One translation unit an executable: main() is here.
//
//   ./some_test            all tests of the file
//   ./some_test part       those whose name contains `part`
#pragma once

#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <mutex>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

namespace check {

struct Test {
  const char* name;
  void (*run)();
};

inline std::vector<Test>& Tests() {
  static std::vector<Test> tests;
  return tests;
}

inline std::atomic<int>& Failures() {
  static std::atomic<int> failures{0};
  return failures;
}

struct Registration {
  Registration(const char* name, void (*run)()) { Tests().push_back({name, run}); }
};

inline void Report(const char* file, int line, const std::string& what) {
  static std::mutex mutex;
  const int before = Failures().fetch_add(1);
  constexpr int kEnough = 20;  // a broken loop must not print a million lines
  if (before >= kEnough) return;
  std::lock_guard<std::mutex> lock(mutex);
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
}

template <class T>
std::string Show(const T& value) {
  std::ostringstream out;
  if constexpr (std::is_enum_v<T>) {
    out << static_cast<long long>(value);
  } else {
    out << value;
  }
  return out.str();
}

template <class A, class B>
void Equal(const A& a, const B& b, const char* text, const char* file, int line) {
  if (a == b) return;
  Report(file, line, std::string(text) + ": " + Show(a) + " != " + Show(b));
}

inline int Main(int argc, char** argv) {
  const std::string part = argc > 1 ? argv[1] : "";
  int ran = 0;
  for (const Test& test : Tests()) {
    if (std::string(test.name).find(part) == std::string::npos) continue;
    const int before = Failures().load();
    const auto start = std::chrono::steady_clock::now();
    try {
      test.run();
    } catch (const std::exception& e) {
      Report(test.name, 0, std::string("uncaught exception: ") + e.what());
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    ++ran;
    std::printf("%s %s (%.2f s)\n", Failures().load() == before ? "ok  " : "FAIL", test.name,
                took.count());
    std::fflush(stdout);
  }
  std::printf("%d tests, %d failed checks\n", ran, Failures().load());
  return Failures().load() == 0 && ran > 0 ? 0 : 1;
}

}  // namespace check

#define TEST(name)                                                      \
  static void Test##name();                                             \
  static const check::Registration registered##name(#name, Test##name); \
  static void Test##name()

#define CHECK(expression)                                                           \
  do {                                                                              \
    if (!(expression)) check::Report(__FILE__, __LINE__, "not true: " #expression); \
  } while (false)

#define CHECK_EQ(a, b) check::Equal((a), (b), #a " == " #b, __FILE__, __LINE__)

#define CHECK_THROWS(expression, Type)                                            \
  do {                                                                            \
    bool thrown = false;                                                          \
    try {                                                                         \
      (void)(expression);                                                         \
    } catch (const Type&) {                                                       \
      thrown = true;                                                              \
    }                                                                             \
    if (!thrown) check::Report(__FILE__, __LINE__, "no " #Type ": " #expression); \
  } while (false)

int main(int argc, char** argv) { return check::Main(argc, argv); }
