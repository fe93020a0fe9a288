/* For compilers without libFuzzer, and to look at one finding:
 *   TARGET_fuzz SECONDS SEED_FOLDER    random damage to the seeds, blind to coverage, for a while
 *   TARGET_fuzz FILE...                runs the target on these inputs */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

enum { SIZE_MOST = 65536, SEEDS_MOST = 64 };

static struct {
    uint8_t bytes[SIZE_MOST];
    size_t size;
} seeds[SEEDS_MOST];
static int seed_count;
static uint64_t state = 88172645463325252u;

/* Marsaglia's xorshift64: the same inputs on every run. */
static uint32_t draw(uint32_t bound) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) % bound);
}

static size_t read_input(const char *path, uint8_t bytes[SIZE_MOST]) {
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return 0;
    size_t size = fread(bytes, 1, SIZE_MOST, stream);
    fclose(stream);
    return size;
}

static void read_seeds(const char *folder) {
    DIR *directory = opendir(folder);
    struct dirent *entry;
    char path[1024];
    while (directory != NULL && seed_count < SEEDS_MOST && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        seeds[seed_count].size = read_input(path, seeds[seed_count].bytes);
        seed_count++;
    }
    if (directory != NULL) closedir(directory);
    if (seed_count == 0) seed_count = 1; /* the empty input */
}

static size_t damage(uint8_t bytes[SIZE_MOST]) {
    int chosen = (int)draw((uint32_t)seed_count);
    size_t size = seeds[chosen].size;
    memcpy(bytes, seeds[chosen].bytes, size);
    for (uint32_t i = draw(6); i > 0 && size > 0; i--) {
        uint32_t place = draw((uint32_t)size);
        switch (draw(4)) {
            case 0: bytes[place] = (uint8_t)draw(256); break;
            case 1: bytes[place] ^= (uint8_t)(1u << draw(8)); break;
            case 2: bytes[place] = draw(2) ? 0xFF : 0; break;
            default: size = draw(4) ? size : place; break;
        }
    }
    while (draw(8) == 0 && size < SIZE_MOST) bytes[size++] = (uint8_t)draw(256);
    return size;
}

int main(int argc, char **argv) {
    static uint8_t bytes[SIZE_MOST];
    char *rest;
    long seconds = argc == 3 ? strtol(argv[1], &rest, 10) : 0;
    if (argc != 3 || *rest != '\0') {
        for (int i = 1; i < argc; i++) fuzz_input(bytes, read_input(argv[i], bytes));
        return 0;
    }
    read_seeds(argv[2]);
    unsigned long runs = 0;
    for (time_t end = time(NULL) + seconds; time(NULL) < end; runs++) fuzz_input(bytes, damage(bytes));
    printf("%lu inputs in %ld s\n", runs, seconds);
    return 0;
}
