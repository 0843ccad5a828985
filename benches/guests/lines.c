/* A filter, as programs that ask the host for much are: `lines FILE` reads a file line by line, counts its words, and prints
   each line with its number. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    FILE *file = fopen(argv[1], "r");
    if (!file) return 3;
    static char line[4096];
    unsigned long number = 0, words = 0, bytes = 0;
    while (fgets(line, sizeof line, file)) {
        int within = 0;
        for (char *at = line; *at; at++) {
            int space = isspace((unsigned char)*at) != 0;
            words += !space && !within;
            within = !space;
        }
        bytes += strlen(line);
        printf("%7lu  %s", ++number, line);
    }
    printf("%lu lines, %lu words, %lu bytes\n", number, words, bytes);
    return 0;
}
