/* Fills memory and dies: `fill MEBIBYTES PERCENT`. Writes into PERCENT of the 4 KiB pages, then tells the time and traps.
 *
 * The bytes look like a program's: no two blocks are alike, they do not compress to nothing, and texts lie among them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 4096 };

/* Global, so that the compiler must suppose that somebody reads what is written. */
uint8_t *memory;

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    size_t pages = (size_t)atoi(argv[1]) * (1024 * 1024 / PAGE);
    unsigned percent = (unsigned)atoi(argv[2]);
    /* Not by malloc, which gives no more than 2 GiB at once here. */
    size_t before = __builtin_wasm_memory_grow(0, pages / 16);
    if (before == (size_t)-1) return 3;
    memory = (uint8_t *)(before * 65536);
    uint64_t seed = 88172645463325252u;
    size_t written = 0;
    for (size_t page = 0; page < pages; page++) {
        if (percent < 100 && page % (100 / percent)) continue;
        uint64_t *words = (uint64_t *)(memory + page * PAGE);
        for (int i = 0; i < PAGE / 8; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            words[i] = i % 4 ? seed : (uint64_t)page << 20 | (uint64_t)i;
        }
        if (page % 64 == 0) memcpy(memory + page * PAGE + 512, "a record with some text in it", 30);
        written++;
    }
    memcpy(memory + (pages * 99 / 100) * PAGE + 100, "needle in a haystack", 21);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(stderr, "%zu pages, trap at %lld\n", written, (long long)now.tv_sec * 1000000000 + now.tv_nsec);
    __builtin_trap();
}
