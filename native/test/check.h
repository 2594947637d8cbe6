// The test harness of the core: TEST registers a body, CHECK counts a failure and continues.
#pragma once
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace check {

struct Test {
  const char* name;
  void (*body)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}
inline int& failures() {
  static int count = 0;
  return count;
}

struct Registration {
  Registration(const char* name, void (*body)()) { tests().push_back({name, body}); }
};

inline void that(bool holds, const char* text, const char* file, int line) {
  if (holds) return;
  failures()++;
  std::printf("%s:%d: not true: %s\n", file, line, text);
}

template <class A, class B>
void equal(const A& a, const B& b, const char* text, const char* file, int line) {
  if (static_cast<long long>(a) == static_cast<long long>(b)) return;
  failures()++;
  std::printf("%s:%d: %s: %lld is not %lld\n", file, line, text, static_cast<long long>(a),
              static_cast<long long>(b));
}

// Runs all tests, or those whose name contains the first argument.
inline int main(int count, char** arguments) {
  int ran = 0;
  for (const Test& test : tests()) {
    if (count > 1 && std::strstr(test.name, arguments[1]) == nullptr) continue;
    const int before = failures();
    test.body();
    ran++;
    if (failures() != before) std::printf("FAILED %s\n", test.name);
  }
  std::printf("%d tests, %d checks failed\n", ran, failures());
  return failures() == 0 && ran > 0 ? 0 : 1;
}

}  // namespace check

#define TEST(name)                                                      \
  static void test_##name();                                            \
  static const check::Registration register_##name(#name, test_##name); \
  static void test_##name()
#define CHECK(condition) check::that((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(a, b) check::equal((a), (b), #a, __FILE__, __LINE__)
