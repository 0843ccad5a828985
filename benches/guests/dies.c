/* Sorts, as sort.c does, and dies: what it costs to find out why. `dies_of` is written once for each round. */
#include <time.h>

#define main sorted
#include "sort.c"
#undef main

uint32_t dies_of;

int main(void) {
    dies_of = numbers[0];
    sorted();
    dies_of = numbers[COUNT / 2];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(stderr, "trap at %lld\n", (long long)now.tv_sec * 1000000000 + now.tv_nsec);
    fflush(stderr);
    if (dies_of) __builtin_trap();
    return 0;
}
