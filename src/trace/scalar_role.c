#include "trace/scalar_role.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

enum {
    LOSS = 1 << 0,
    ACCURACY = 1 << 1,
    LR = 1 << 2,
    LEARNING = 1 << 3,
    RATE = 1 << 4,
    GRADIENT = 1 << 5,
    NORM = 1 << 6,
    TRAIN = 1 << 7,
    TEST = 1 << 8,
    VALIDATION = 1 << 9,
    EVALUATION = 1 << 10,
    STEP = 1 << 11,
    OPTIMISER = 1 << 12, /* of learning rates alone */
    FILLER = 1 << 13,
    STRANGE = 1 << 14,
    SPLITS = TEST | VALIDATION | EVALUATION
};

static const struct {
    const char *word;
    int what;
} words[] = {{"loss", LOSS},         {"acc", ACCURACY},     {"accuracy", ACCURACY},
             {"acc1", ACCURACY},     {"top1", ACCURACY},    {"lr", LR},
             {"learning", LEARNING}, {"rate", RATE},        {"grad", GRADIENT},
             {"gradient", GRADIENT}, {"norm", NORM},        {"train", TRAIN},
             {"training", TRAIN},    {"test", TEST},        {"testing", TEST},
             {"val", VALIDATION},    {"valid", VALIDATION}, {"validation", VALIDATION},
             {"dev", VALIDATION},    {"eval", EVALUATION},  {"evaluation", EVALUATION},
             {"step", STEP},         {"batch", STEP},       {"iter", STEP},
             {"iteration", STEP},    {"sgd", OPTIMISER},    {"adam", OPTIMISER},
             {"adamw", OPTIMISER},   {"w", OPTIMISER},      {"rmsprop", OPTIMISER},
             {"pg1", OPTIMISER},     {"group0", OPTIMISER}, {"0", OPTIMISER},
             {"epoch", FILLER},      {"mean", FILLER},      {"avg", FILLER},
             {"average", FILLER},    {"total", FILLER},     {"running", FILLER}};

static int what_is(const char *word, size_t length) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == length && strncmp(words[i].word, word, length) == 0) return words[i].what;
    return STRANGE;
}

/* "valAcc" and "val/acc_epoch" alike. */
static int read_words(const char *tag) {
    char word[24];
    size_t length = 0;
    int all = 0;
    for (const char *p = tag;; p++) {
        bool part = isalnum((unsigned char)*p) || (unsigned char)*p >= 0x80;
        bool begins = p > tag && isupper((unsigned char)*p) && islower((unsigned char)p[-1]);
        if (length > 0 && (!part || begins)) {
            all |= what_is(word, length);
            length = 0;
        }
        if (*p == '\0') return all;
        if (!part) continue;
        if (length == sizeof word) return STRANGE;
        word[length++] = (char)tolower((unsigned char)*p);
    }
}

ps_scalar_role ps_scalar_role_of(const char *tag, ps_scalar_split *split) {
    int all = read_words(tag), plain = all & ~(TRAIN | STEP | FILLER), splits = all & SPLITS;
    *split = splits == TEST         ? PS_SCALAR_OF_TEST
             : splits == VALIDATION ? PS_SCALAR_OF_VALIDATION
             : splits == EVALUATION ? PS_SCALAR_OF_EVALUATION
                                    : PS_SCALAR_OF_NONE;
    if (plain == LOSS) return PS_SCALAR_IS_LOSS;
    if (plain == (GRADIENT | NORM)) return PS_SCALAR_IS_GRAD_NORM;
    plain &= ~OPTIMISER;
    if (plain == LR || plain == (LEARNING | RATE)) return PS_SCALAR_IS_LR;
    if (*split == PS_SCALAR_OF_NONE || (all & (TRAIN | OPTIMISER)) != 0) return PS_SCALAR_IS_NONE;
    if ((plain & ~SPLITS) == LOSS) return PS_SCALAR_IS_TEST_LOSS;
    return (plain & ~SPLITS) == ACCURACY ? PS_SCALAR_IS_ACCURACY : PS_SCALAR_IS_NONE;
}

static bool is_evaluation(ps_scalar_role role) {
    return role == PS_SCALAR_IS_TEST_LOSS || role == PS_SCALAR_IS_ACCURACY;
}

/* Whether a is to be taken rather than b. */
static bool goes_before(const ps_scalar_series *a, const ps_scalar_series *b, bool evaluation) {
    bool by_step = (read_words(a->tag) & STEP) != 0, other_by_step = (read_words(b->tag) & STEP) != 0;
    if (evaluation && by_step != other_by_step) return other_by_step;
    return a->count > b->count;
}

const ps_scalar_series *ps_scalar_role_find(const ps_scalar_log *log, ps_scalar_role role, ps_scalar_split split,
                                            int *others) {
    const ps_scalar_series *best = NULL;
    *others = 0;
    for (size_t i = 0; i < log->count; i++) {
        const ps_scalar_series *s = &log->series[i];
        ps_scalar_split own;
        if (s->count == 0 || ps_scalar_role_of(s->tag, &own) != role || (is_evaluation(role) && own != split)) continue;
        *others += best != NULL;
        if (best == NULL || goes_before(s, best, is_evaluation(role))) best = s;
    }
    return best;
}

ps_scalar_split ps_scalar_split_find(const ps_scalar_log *log) {
    static const ps_scalar_role by[] = {PS_SCALAR_IS_ACCURACY, PS_SCALAR_IS_TEST_LOSS};
    int others;
    for (int r = 0; r < 2; r++)
        for (int split = PS_SCALAR_OF_TEST; split < PS_SCALAR_OF_COUNT; split++)
            if (ps_scalar_role_find(log, by[r], (ps_scalar_split)split, &others) != NULL) return (ps_scalar_split)split;
    return PS_SCALAR_OF_NONE;
}
