/* Times Hyperscan: `hyperscan PATTERNS TABLES TEXT...` prints the nanoseconds of the fastest run for each text. PATTERNS has one regular
 * expression a line; those that Hyperscan does not take are counted on stderr. TABLES is not read. */
#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 1024, RUNS = 40 };

static int found(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *count) {
    (void)id, (void)from, (void)to, (void)flags;
    ++*(unsigned long long *)count;
    return 0;
}

static char *content(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) exit(1);
    *length = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*length + 1);
    if (!text || fread(text, 1, *length, file) != *length) exit(1);
    text[*length] = 0;
    fclose(file);
    return text;
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    size_t length;
    char *list = content(arguments[1], &length);
    const char *patterns[MOST];
    unsigned ids[MOST], flags[MOST], taken = 0, refused = 0;
    for (char *line = strtok(list, "\n"); line && taken < MOST; line = strtok(NULL, "\n")) {
        hs_database_t *one;
        hs_compile_error_t *error;
        if (hs_compile(line, HS_FLAG_ALLOWEMPTY, HS_MODE_BLOCK, NULL, &one, &error) == HS_SUCCESS) {
            hs_free_database(one);
            ids[taken] = taken, flags[taken] = HS_FLAG_ALLOWEMPTY, patterns[taken++] = line;
        } else {
            hs_free_compile_error(error);
            refused++;
        }
    }
    fprintf(stderr, "%u patterns, %u refused\n", taken, refused);
    hs_database_t *all;
    hs_compile_error_t *error;
    hs_scratch_t *scratch = NULL;
    if (hs_compile_multi(patterns, flags, ids, taken, HS_MODE_BLOCK, NULL, &all, &error) != HS_SUCCESS ||
        hs_alloc_scratch(all, &scratch) != HS_SUCCESS)
        return 1;
    for (int at = 3; at < count; at++) {
        char *text = content(arguments[at], &length);
        long long fastest = -1;
        for (int run = 0; run < RUNS; run++) {
            unsigned long long matches = 0;
            struct timespec began, ended;
            clock_gettime(CLOCK_MONOTONIC, &began);
            hs_scan(all, text, (unsigned)length, 0, scratch, found, &matches);
            clock_gettime(CLOCK_MONOTONIC, &ended);
            long long nanos = (ended.tv_sec - began.tv_sec) * 1000000000LL + ended.tv_nsec - began.tv_nsec;
            if (fastest < 0 || nanos < fastest) fastest = nanos;
        }
        printf("%lld\n", fastest);
        free(text);
    }
    return 0;
}
