#!/bin/bash
# What the promise of a C++20 coroutine begins with. clang 19.1.7 (Debian clang-19 1:19.1.7-3~deb12u1), clang 14.0.6 (Debian clang-14
# 1:14.0.6-12), g++ 12.2.0 (Debian g++-12 12.2.0-14+deb12u1), ziglang 0.17.1 of PyPI (clang 22).
#
# One would guess that a promise without constructors has the values that its members are declared with: `int result = 100` is 100
# until `return_value` sets it.
# Seen: where the coroutine's parameters convert to the first members of the promise, they are put there, one after the other: of
# `one(int number)` called with 7 the result is 7 before anything ran, of `two(7, 8)` the result is 7 and the priority 8; with a parameter
# that does not convert (`const char *`) both keep their own values. A promise may be made from the coroutine's parameters, and since
# C++20 parentheses initialise aggregates (P0960); clang 14, which does not know that yet, leaves 100 and 200. So a debugger that shows
# `result = 7` of a coroutine that waits is right, and whoever moves from clang 14 to 19 gets other values without a warning.
set -euo pipefail

command -v clang++-19 > /dev/null && command -v clang++-14 > /dev/null && command -v g++-12 > /dev/null ||
    apt-get install -y --no-install-recommends clang-19 clang-14 g++-12 > /dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install ziglang==0.17.1
cat > promise.cpp <<'CPP'
extern "C" int printf(const char *, ...);
using size_t = decltype(sizeof 0);
namespace std {
template <class Result, class...> struct coroutine_traits { using promise_type = typename Result::promise_type; };
template <class Promise = void> struct coroutine_handle {
    void *frame = nullptr;
    static coroutine_handle from_address(void *frame) { coroutine_handle handle; handle.frame = frame; return handle; }
    operator coroutine_handle<>() const { return coroutine_handle<>::from_address(frame); }
    void *address() const { return frame; }
};
}
struct Always {
    bool await_ready() noexcept { return false; }
    template <class Promise> void await_suspend(std::coroutine_handle<Promise>) noexcept {}
    void await_resume() noexcept {}
};
struct Task {
    struct promise_type;
    promise_type *promise;
    struct promise_type {
        int result = 100;
        int priority = 200;
        Task get_return_object() { return Task{this}; }
        Always initial_suspend() noexcept { return {}; }
        Always final_suspend() noexcept { return {}; }
        void return_value(int value) { result = value; }
        void unhandled_exception() {}
    };
};
Task none() { co_return 1; }
Task one(int number) { co_return number; }
Task two(int number, int other) { co_return number + other; }
Task text(const char *) { co_return 1; }
static void show(const char *call, Task task) { printf(" %s %d %d;", call, task.promise->result, task.promise->priority); }
int main() {
    show("none()", none());
    show("one(7)", one(7));
    show("two(7, 8)", two(7, 8));
    show("text", text("a"));
    printf("\n");
}
CPP
run() { # NAME COMPILER…
    local name=$1; shift
    "$@" -std=c++20 -O0 -w promise.cpp -o "program-$name"
    echo "$name:$("./program-$name")"
}
{
    run clang-14 clang++-14
    run clang-19 clang++-19
    run clang-22 venv/bin/python -m ziglang c++
    run g++-12 g++-12 -fcoroutines
} | tee seen
diff seen - <<'EXPECTED'
clang-14: none() 100 200; one(7) 100 200; two(7, 8) 100 200; text 100 200;
clang-19: none() 100 200; one(7) 7 200; two(7, 8) 7 8; text 100 200;
clang-22: none() 100 200; one(7) 7 200; two(7, 8) 7 8; text 100 200;
g++-12: none() 100 200; one(7) 7 200; two(7, 8) 7 8; text 100 200;
EXPECTED
