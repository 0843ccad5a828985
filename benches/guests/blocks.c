/* Fills the heap with blocks and dies: `blocks COUNT`. Half of the blocks are entries of a hash table, the others
 * their labels; one in 16 entries is freed again with its label, one in 64 is lost. Then it prints what it did and
 * traps.
 *
 * The table's chains go through all of the memory, as those of a program that ran for long. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    char *label;
    uint64_t key;
    uint32_t payload[];
};

struct table {
    uint32_t mask;
    uint32_t count;
    struct entry **buckets;
} table;

static uint64_t seed = 88172645463325252u;

static uint32_t roll(uint32_t below) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 11) % below;
}

static void *get(size_t size) {
    void *block = malloc(size);
    if (!block) {
        fprintf(stderr, "no %zu bytes more\n", size);
        __builtin_trap();
    }
    return block;
}

static struct entry *new_entry(uint64_t key) {
    uint32_t words = roll(74);
    struct entry *entry = get(sizeof *entry + words * sizeof(uint32_t));
    for (uint32_t word = 0; word < words; word++) entry->payload[word] = word & 3 ? (uint32_t)(seed >> word) : word;
    uint32_t length = 8 + roll(240);
    entry->label = get(length + 1);
    memset(entry->label, 'a' + (int)(key % 26), length);
    entry->label[length] = 0;
    entry->key = key;
    entry->next = 0;
    return entry;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    uint32_t entries = (uint32_t)strtoul(argv[1], 0, 10) / 2, lost = 0, freed = 0;
    table.mask = 1;
    while (table.mask < entries) table.mask = table.mask * 2 + 1;
    table.buckets = calloc(table.mask + 1u, sizeof *table.buckets);
    if (!table.buckets) return 3;
    for (uint32_t number = 0; number < entries; number++) {
        struct entry *entry = new_entry(number);
        if (number % 64 == 5) {
            lost++;
            continue;
        }
        if (number % 16 == 7) {
            freed++;
            free(entry->label);
            free(entry);
            continue;
        }
        struct entry **bucket = &table.buckets[(uint32_t)(number * 2654435761u) & table.mask];
        entry->next = *bucket;
        *bucket = entry;
        table.count++;
    }
    fprintf(stderr, "%u entries in the table, %u lost, %u freed\n", table.count, lost, freed);
    __builtin_trap();
}
