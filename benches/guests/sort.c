/* Memory and branches: quicksort of pseudo-random numbers, again and again. */
#include <stdint.h>
#include <stdio.h>

enum { COUNT = 1 << 20, ROUNDS = 10 };

static uint32_t numbers[COUNT];

static void sort(uint32_t *from, uint32_t *to) {
    while (to - from > 1) {
        uint32_t pivot = from[(to - from) / 2];
        uint32_t *low = from, *high = to - 1;
        while (low <= high) {
            while (*low < pivot) low++;
            while (*high > pivot) high--;
            if (low <= high) {
                uint32_t swap = *low;
                *low++ = *high;
                *high-- = swap;
            }
        }
        if (high + 1 - from < to - low) {
            sort(from, high + 1);
            from = low;
        } else {
            sort(low, to);
            to = high + 1;
        }
    }
}

int main(void) {
    uint32_t seed = 1, sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < COUNT; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            numbers[i] = seed;
        }
        sort(numbers, numbers + COUNT);
        for (int i = 1; i < COUNT; i++) {
            if (numbers[i - 1] > numbers[i]) __builtin_trap();
            sum += numbers[i] * (uint32_t)i;
        }
    }
    printf("%u\n", sum);
    return 0;
}
