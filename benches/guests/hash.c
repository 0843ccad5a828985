/* Integer arithmetic: SHA-256 (FIPS 180-4) of a repeated block. */
#include <stdint.h>
#include <stdio.h>

enum { BLOCKS = 2000000 };

static uint32_t constants[64];
static uint32_t state[8];

static uint32_t right(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

/* The first 32 bits of the fractional parts of the square (power 2) or cube (power 3) roots of primes, by bisection. */
static uint32_t root(uint32_t prime, int power) {
    double low = 1, high = prime;
    for (int i = 0; i < 90; i++) {
        double middle = (low + high) / 2;
        double value = power == 2 ? middle * middle : middle * middle * middle;
        if (value <= prime) low = middle; else high = middle;
    }
    return (uint32_t)((low - (uint32_t)low) * 4294967296.0);
}

static void start(void) {
    int count = 0;
    for (uint32_t prime = 2; count < 64; prime++) {
        int divides = 0;
        for (uint32_t d = 2; d * d <= prime; d++) divides |= prime % d == 0;
        if (divides) continue;
        if (count < 8) state[count] = root(prime, 2);
        constants[count++] = root(prime, 3);
    }
}

static void block(const uint8_t *bytes) {
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 | (uint32_t)bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = right(w[i - 15], 7) ^ right(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = right(w[i - 2], 17) ^ right(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    for (int i = 0; i < 8; i++) v[i] = state[i];
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = right(v[4], 6) ^ right(v[4], 11) ^ right(v[4], 25);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[i] + w[i];
        uint32_t s0 = right(v[0], 2) ^ right(v[0], 13) ^ right(v[0], 22);
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        for (int k = 7; k > 0; k--) v[k] = v[k - 1];
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) state[i] += v[i];
}

int main(void) {
    uint8_t bytes[64];
    for (int i = 0; i < 64; i++) bytes[i] = (uint8_t)(i * 7);
    start();
    for (int i = 0; i < BLOCKS; i++) {
        bytes[i & 63] ^= (uint8_t)i;
        block(bytes);
    }
    for (int i = 0; i < 8; i++) printf("%08x", state[i]);
    printf("\n");
    return 0;
}
