/* Asks the host: `asks read FILE` reads a file in pieces of 64 KiB, `asks call COUNT` asks for the time so many times. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char piece[1 << 16];

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    if (!strcmp(argv[1], "read")) {
        int file = open(argv[2], O_RDONLY);
        if (file < 0) return 3;
        uint64_t bytes = 0;
        for (ssize_t got; (got = read(file, piece, sizeof piece)) > 0;) bytes += (uint64_t)got;
        printf("%llu bytes\n", (unsigned long long)bytes);
        return 0;
    }
    struct timespec now;
    int count = atoi(argv[2]), failed = 0;
    for (int call = 0; call < count; call++) failed |= clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%d calls, %d\n", count, failed);
    return 0;
}
