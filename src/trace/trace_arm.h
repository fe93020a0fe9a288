/* What an arm is: the header's object "arm_is" (FORMAT.md), by which runs are judged as treatment or as which control.
 * In traces of version 1, which lack it, keys of the configuration stand for it. */
#ifndef PS_TRACE_ARM_H
#define PS_TRACE_ARM_H

#include <cjson/cJSON.h>
#include <stdbool.h>

typedef enum {
#define PS_TRACE_ROLE(id, ...) PS_ARM_##id,
#include "trace/arm_role_list.def"
#undef PS_TRACE_ROLE
    PS_ARM_COUNT
} ps_arm_role;

#define PS_TRACE_CUTS(CUT)  \
    CUT(NONE, "none")       \
    CUT(FORWARD, "forward") \
    CUT(GRADIENT, "gradient")
typedef enum {
#define CUT(name, word) PS_CUT_##name,
    PS_TRACE_CUTS(CUT)
#undef CUT
        PS_CUT_COUNT
} ps_arm_cut;

typedef struct {
    ps_arm_role role;
    int pool_size;  /* e of its modules; 0: none, not one size, or not said */
    bool zero_init; /* its modules' convolutions start at zero: the network starts as that without modules */
    ps_arm_cut cut;
    const char *activation; /* of the gates, "mixed" where they differ, "" where there is none; borrowed */
    int reinit_dead;        /* dead nodes are drawn anew at every so many windows' ends; 0: never */
} ps_trace_arm;

typedef struct {
    const char *word, *words, *meaning;
    bool module, leaky, renewed;
    ps_arm_cut cut;
} ps_arm_role_line;
extern const ps_arm_role_line ps_arm_roles[PS_ARM_COUNT];

/* Words that name such an arm in a sentence: "there is no arm ...". */
const char *ps_role_words(ps_arm_role role);
const char *ps_arm_cut_word(ps_arm_cut cut);

/* The role of what has modules of this mode (a layer's word, "" or "full": the full Pool Skip), or none. A combination
 * that no role stands for is OTHER. */
ps_arm_role ps_arm_role_of(bool module, const char *mode, ps_arm_cut cut, bool leaky, bool renewed);

/* Of a header that keeps the rules: arm_is, or of version 1 the configuration. The result borrows from it. module:
 * whether its layers name any. */
void ps_trace_arm_read(const cJSON *header, bool module, ps_trace_arm *arm);

/* What in the header's arm_is, whose keys are of the kinds that they should be, contradicts itself: the first fault as
 * a sentence in `buffer`; NULL: nothing. layer: the first layer of the header that names a module, NULL: none does. */
const char *ps_trace_arm_fault(const cJSON *arm_is, const char *layer, char *buffer, size_t size);

#endif
