#include "data/marks.h"

#include <string.h>

#include "core/memory.h"

enum { BITS = 64 };

ps_status ps_marks_create(ps_marks *marks, size_t positions) {
    memset(marks, 0, sizeof *marks);
    marks->words = (positions + BITS - 1) / BITS;
    PS_TRY(PS_ALLOC(marks->words, &marks->word, "positions of a volume"));
    return PS_ALLOC(marks->words, &marks->before, "positions of a volume");
}

void ps_marks_clear(ps_marks *marks) {
    ps_free(marks->word);
    ps_free(marks->before);
    memset(marks, 0, sizeof *marks);
}

void ps_marks_add(ps_marks *marks, size_t position) { marks->word[position / BITS] |= (uint64_t)1 << position % BITS; }

static size_t count_bits(uint64_t word) { return (size_t)__builtin_popcountll(word); }

void ps_marks_count(ps_marks *marks) {
    marks->count = 0;
    for (size_t i = 0; i < marks->words; i++) {
        marks->before[i] = (uint32_t)marks->count;
        marks->count += count_bits(marks->word[i]);
    }
}

bool ps_marks_have(const ps_marks *marks, size_t position) {
    return (marks->word[position / BITS] >> position % BITS & 1) != 0;
}

size_t ps_marks_rank(const ps_marks *marks, size_t position) {
    uint64_t lower = ((uint64_t)1 << position % BITS) - 1;
    return marks->before[position / BITS] + count_bits(marks->word[position / BITS] & lower);
}

/* The word by bisection, then the bit within it. */
size_t ps_marks_at(const ps_marks *marks, size_t rank) {
    size_t low = 0, high = marks->words;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (marks->before[middle] <= rank) low = middle;
        else high = middle;
    }
    uint64_t word = marks->word[low];
    for (size_t i = marks->before[low]; i < rank; i++) word &= word - 1;
    return low * BITS + (size_t)__builtin_ctzll(word);
}
