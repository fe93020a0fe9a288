/* Findings: what is wrong with one run, or with a network at rest. A rule is one file here and one line in
 * finding_list.def; it looks at facts alone, says what it needs, and where something of it is missing it cannot judge.
 * Thresholds are fixed from sources, named in the rule's file, or by simulation (`make calibrate-diagnoses`, whose
 * table of false alarms and recall is error_rate_list.def); never by taste. */
#ifndef PS_ANALYSIS_FINDINGS_FINDING_H
#define PS_ANALYSIS_FINDINGS_FINDING_H

#include "analysis/findings/facts.h"

/* What steps leave behind that shut gates, for `explains`. */
#define PS_FINDINGS_OF_SHUT_GATES                                                                      \
    "shut_by_norm,dead_layer,bottleneck,dead_nodes,near_dead,constant_nodes,variance_low,no_gradient," \
    "only_last_bias,inert_nodes"

/* How bad: notes are worth knowing; warnings cost quality or time; serious ones make a run a poor one; of critical
 * ones nothing can be expected. */
#define PS_FINDING_LEVELS(LEVEL) \
    LEVEL(NOTE, "note")          \
    LEVEL(WARNING, "warning")    \
    LEVEL(SERIOUS, "serious")    \
    LEVEL(CRITICAL, "critical")
typedef enum {
#define LEVEL(name, word) PS_LEVEL_##name,
    PS_FINDING_LEVELS(LEVEL)
#undef LEVEL
} ps_finding_level;
const char *ps_finding_level_name(ps_finding_level level);

#define PS_FINDING_GROUPS(GROUP)          \
    GROUP(NUMBERS, "numbers")             \
    GROUP(LEARNING, "learning")           \
    GROUP(GRADIENTS, "gradients")         \
    GROUP(UPDATES, "updates")             \
    GROUP(NODES, "nodes")                 \
    GROUP(NORMALISATION, "normalisation") \
    GROUP(DATA, "data")                   \
    GROUP(SETUP, "set-up")
typedef enum {
#define GROUP(name, word) PS_GROUP_OF_##name,
    PS_FINDING_GROUPS(GROUP)
#undef GROUP
} ps_finding_group;
const char *ps_finding_group_name(ps_finding_group group);

enum { PS_FINDING_TEXT = 512, PS_FINDING_MOST_CAUSES = 6, PS_FINDING_MOST_EVIDENCE = 8, PS_FINDING_MOST_LAYERS = 64 };

/* A number that speaks for the finding: which quantity, what it is, what it is held against, where it stands. */
typedef struct {
    char what[96];
    double value, threshold; /* threshold ps_absent(): none */
    uint64_t line;           /* of the trace, 0: none */
} ps_finding_evidence;

typedef struct {
    char cause[PS_FINDING_TEXT];  /* "the learning rate is too high for these weights" */
    char speaks[PS_FINDING_TEXT]; /* what of this run speaks for it; "" */
} ps_finding_cause;

typedef struct ps_finding_rule ps_finding_rule;

enum { PS_RANK_START = 15 }; /* of states of nodes that were so before any step */

typedef struct {
    const ps_finding_rule *rule;
    ps_finding_level level;
    int rank;                       /* the rule's, unless it says otherwise of this run; see ps_finding_rule */
    const char *explains;           /* ids with commas between: what follows from it, where it came later; NULL */
    double strength;                /* orders findings of one level and rank: from 0 on, 1 is right at the threshold */
    char sentence[PS_FINDING_TEXT]; /* what, in the field's terms */
    long long since;                /* step, -1: not known, or there from the start of a network at rest */
    int layer[PS_FINDING_MOST_LAYERS], layers; /* which of the facts' layers, forward order; 0: the whole network */
    ps_finding_evidence evidence[PS_FINDING_MOST_EVIDENCE];
    int evidences;
    ps_finding_cause cause[PS_FINDING_MOST_CAUSES]; /* likeliest first */
    int causes;
    char remedy[PS_FINDING_TEXT]; /* what to try first */
    bool of_checkpoint;           /* of a run: judged by its checkpoint, as the trace lacks what the rule needs */
} ps_finding;

/* What a rule made of the facts. */
typedef enum { PS_JUDGED_NOTHING, PS_JUDGED_FOUND, PS_JUDGED_UNKNOWN } ps_judgement;

struct ps_finding_rule {
    const char *id;    /* "dead_layer": for --only, --ignore, --stop-on, SARIF */
    const char *title; /* "a whole layer is dead" */
    ps_finding_group group;
    ps_finding_level level; /* the highest it gives */
    /* Before others of its level where several stand: a finding that explains others ranks before them. First comes
     * what the data are, then what stood before the first step (PS_RANK_START for states that are a consequence when
     * they come later), then what steps did, then the states they left, and last what came of it all. */
    int rank;
    bool at_rest;       /* can judge a network at rest */
    const char *needs;  /* in words, for "cannot be judged": "loss of each step" */
    bool by_guess;      /* it needs to know what a guess costs */
    const char *source; /* of its threshold */
    /* FOUND fills *out (zeroed but for rule and level); UNKNOWN: what it needs was not recorded. */
    ps_judgement (*judge)(const ps_facts *facts, ps_finding *out);
};

#define PS_FINDING(id) extern const ps_finding_rule ps_finding_##id;
#include "analysis/findings/finding_list.def"
#undef PS_FINDING

const ps_finding_rule *const *ps_finding_rules(int *count);
const ps_finding_rule *ps_finding_rule_named(const char *id); /* NULL: none */

/* What it needs, for "cannot be judged" of these facts: of a loss whose guess nobody knows that is said. Returns text,
 * or the rule's own words. */
enum { PS_FINDING_NEEDS = 160 };
const char *ps_finding_needs(const ps_finding_rule *rule, const ps_facts *facts, char text[PS_FINDING_NEEDS]);

/* How often a rule errs (error_rate_list.def). */
typedef struct {
    const char *id;
    int clean, alarms;         /* clean runs, and those of them in which it found something */
    int planted, found, first; /* runs with its fault planted, those in which it found it, in which it came first */
    double median_step;        /* at which it found it; below 0: never */
} ps_finding_rate;
const ps_finding_rate *ps_finding_rate_of(const ps_finding_rule *rule); /* NULL: not measured */

typedef struct {
    ps_finding *list; /* the two upper levels first, these by rank, the others by level and rank; then strength, step */
    int count;
    const ps_finding_rule **unknown; /* rules that could not judge */
    int unknown_count;
} ps_findings;

/* only, ignore: ids with commas between, NULL: all, none. PS_ERR_USAGE names an id that there is not. */
ps_status ps_findings_judge(const ps_facts *facts, const char *only, const char *ignore, ps_findings *out);
ps_status ps_findings_check_ids(const char *list);
/* Asks the rules that could not judge a run of its checkpoint at rest. */
void ps_findings_complete(ps_findings *findings, const ps_facts *facts, const ps_facts *rest);
/* The worst of them that a list with commas between names, by id or by level (and what is worse than that level); NULL:
 * none. PS_ERR_USAGE names what is neither. */
ps_status ps_findings_check_wanted(const char *list);
const ps_finding *ps_findings_wanted(const ps_findings *findings, const char *list);
/* PS_ERR_USAGE where it is no level; names them. */
ps_status ps_finding_level_read(const char *word, ps_finding_level *level);
void ps_findings_clear(ps_findings *findings);

/* ---- for rules ---- */

/* Fill the finding's parts; texts are cut to their room. What is absent is no evidence, and speaks for no cause: the
 * cause stands without it. In a sentence or a remedy the rule itself leaves it out. */
void ps_finding_say(ps_finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ps_finding_add_layer(ps_finding *finding, int layer);
void ps_finding_add_evidence(ps_finding *finding, const char *what, double value, double threshold, uint64_t line);
void ps_finding_add_cause(ps_finding *finding, const char *cause, const char *speaks, ...)
    __attribute__((format(printf, 3, 4)));
void ps_finding_try(ps_finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
