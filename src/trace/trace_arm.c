#include "trace/trace_arm.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "trace/trace_schema.h"

enum { NO = false, YES = true };
const ps_arm_role_line ps_arm_roles[PS_ARM_COUNT] = {
#define PS_TRACE_ROLE(id, word, module, cut, leaky, renewed, words, meaning) \
    {word, words, meaning, module, leaky, renewed, PS_CUT_##cut},
#include "trace/arm_role_list.def"
#undef PS_TRACE_ROLE
};

static const char *const cuts[] = {
#define CUT(name, word) word,
    PS_TRACE_CUTS(CUT)
#undef CUT
};

const char *ps_role_words(ps_arm_role role) { return ps_arm_roles[role].words; }
const char *ps_arm_cut_word(ps_arm_cut cut) { return cuts[cut]; }

static ps_arm_role role_of_mode(const char *mode) {
    if (mode[0] == '\0' || strcmp(mode, "full") == 0) return PS_ARM_MODULE;
    if (strcmp(mode, "grid+conv+skip") == 0) return PS_ARM_GRID;
    if (strcmp(mode, "grid-energy+conv+skip") == 0) return PS_ARM_GRID_ENERGY;
    if (strcmp(mode, "conv+skip") == 0) return PS_ARM_CONV_SKIP;
    return PS_ARM_OTHER;
}

ps_arm_role ps_arm_role_of(bool module, const char *mode, ps_arm_cut cut, bool leaky, bool renewed) {
    ps_arm_role kind = module ? role_of_mode(mode) : PS_ARM_BASELINE;
    int changes = (leaky ? 1 : 0) + (renewed ? 1 : 0) + (module && cut != PS_CUT_NONE ? 1 : 0);
    if (changes == 0) return kind;
    if (changes > 1 || (module && (kind != PS_ARM_MODULE || renewed))) return PS_ARM_OTHER;
    if (leaky) return module ? PS_ARM_LEAKY_MODULE : PS_ARM_LEAKY;
    if (renewed) return PS_ARM_REINIT;
    return cut == PS_CUT_GRADIENT ? PS_ARM_CUT_GRADIENT : PS_ARM_CUT_FORWARD;
}

/* ---- reading ---- */

static const cJSON *get(const cJSON *object, const char *key) { return cJSON_GetObjectItemCaseSensitive(object, key); }

static const char *text_of(const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(get(object, key));
    return text != NULL ? text : "";
}

static double number_of(const cJSON *object, const char *key) {
    const cJSON *item = get(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

static int count_of(const cJSON *object, const char *key) {
    double number = number_of(object, key);
    return number > 0 && number <= INT_MAX ? (int)number : 0;
}

static int find_cut(const char *word) { return ps_words_find(PS_WORDS_CUT, word); }

/* Version 1: what poolscope's own configurations said. */
static void read_config(const cJSON *config, bool module, ps_trace_arm *arm) {
    const char *word = text_of(config, "pool_skip_cut");
    int cut = find_cut(word[0] != '\0' ? word : cuts[PS_CUT_NONE]);
    bool leaky = number_of(config, "leaky_slope") > 0;
    *arm = (ps_trace_arm){.pool_size = count_of(config, "pool_skip"),
                          .zero_init = cJSON_IsTrue(get(config, "pool_skip_zero_init")),
                          .cut = cut >= 0 ? (ps_arm_cut)cut : PS_CUT_NONE,
                          .activation = leaky ? PS_WORD(ACTIVATION, LEAKY_RELU) : "",
                          .reinit_dead = count_of(config, "reinit_dead")};
    arm->role = ps_arm_role_of(module, text_of(config, "pool_skip_mode"), arm->cut, leaky, arm->reinit_dead > 0);
    if (module && cut < 0) arm->role = PS_ARM_OTHER;
}

static void read_said(const cJSON *said, ps_trace_arm *arm) {
    int role = ps_words_find(PS_WORDS_ROLE, text_of(said, PS_KEY(ARM_IS, role)));
    int cut = find_cut(text_of(said, PS_KEY(ARM_IS, cut)));
    *arm = (ps_trace_arm){.role = role >= 0 ? (ps_arm_role)role : PS_ARM_OTHER,
                          .pool_size = count_of(said, PS_KEY(ARM_IS, pool_size)),
                          .zero_init = cJSON_IsTrue(get(said, PS_KEY(ARM_IS, zero_init))),
                          .cut = cut >= 0 ? (ps_arm_cut)cut : PS_CUT_NONE,
                          .activation = text_of(said, PS_KEY(ARM_IS, activation)),
                          .reinit_dead = count_of(said, PS_KEY(ARM_IS, reinit_dead))};
}

void ps_trace_arm_read(const cJSON *header, bool module, ps_trace_arm *arm) {
    if (number_of(header, PS_KEY(HEADER, version)) >= PS_TRACE_VERSION_ARM)
        read_said(get(header, PS_KEY(HEADER, arm_is)), arm);
    else read_config(get(header, PS_KEY(HEADER, config)), module, arm);
}

/* ---- faults ---- */

/* The key that a role does not go with, NULL: none. */
static const char *find_contradiction(const ps_arm_role_line *role, const ps_trace_arm *arm) {
    if (!role->module && arm->pool_size > 0) return PS_KEY(ARM_IS, pool_size);
    if (!role->module && arm->zero_init) return PS_KEY(ARM_IS, zero_init);
    if (role->cut != arm->cut) return PS_KEY(ARM_IS, cut);
    if (role->leaky && strcmp(arm->activation, PS_WORD(ACTIVATION, LEAKY_RELU)) != 0) return PS_KEY(ARM_IS, activation);
    return role->renewed != (arm->reinit_dead > 0) ? PS_KEY(ARM_IS, reinit_dead) : NULL;
}

const char *ps_trace_arm_fault(const cJSON *arm_is, const char *layer, char *buffer, size_t size) {
    const char *key;
    ps_trace_arm arm;
    read_said(arm_is, &arm);
    const ps_arm_role_line *role = &ps_arm_roles[arm.role];
    if (arm.role == PS_ARM_OTHER) return NULL;
    if (layer != NULL && !role->module) {
        snprintf(
            buffer, size,
            "\"arm_is\": the role \"%s\" has no module, but layer \"%.200s\" names one; write the role that the arm "
            "has, or \"other\"",
            role->word, layer);
        return buffer;
    }
    key = find_contradiction(role, &arm);
    if (key == NULL) return NULL;
    snprintf(buffer, size,
             "\"arm_is\": \"%s\" contradicts the role \"%s\"; write the role that the arm has, or \"other\"", key,
             role->word);
    return buffer;
}
