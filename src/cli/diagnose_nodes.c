#include "cli/diagnose_nodes.h"

#include <math.h>
#include <stdio.h>

#include "core/json.h"
#include "core/text.h"

/* A head of attention is active on no image more than on another. */
static const char *images_text(double images, const char *none, char text[32]) {
    if (ps_is_absent(images)) return none;
    snprintf(text, 32, "%.0f", images);
    return text;
}

/* most below 0: all. */
static void print_rows(const ps_diagnosis *d, bool as_tsv, int most) {
    int left = 0;
    if (as_tsv) printf("layer\tchannel\tcondition\tcause\timages_active\tevidence\n");
    else if (ps_diagnosis_count(d, PS_CONDITION_NONE) < d->count)
        printf("%-40s %-10s %-15s %13s  %s\n", "node", "condition", "cause", "images active", "evidence");
    for (int i = 0; i < d->count; i++) {
        const ps_diagnosed_node *n = &d->node[i];
        char evidence[256], name[256], images[32];
        if (n->condition == PS_CONDITION_NONE) continue;
        if (most == 0) left++;
        if (most == 0) continue;
        if (most > 0) most--;
        ps_cause_explain(&n->evidence, n->cause, evidence, sizeof evidence);
        snprintf(name, sizeof name, "%s:%d", n->layer, n->channel);
        if (as_tsv)
            printf("%s\t%d\t%s\t%s\t%s\t%s\n", n->layer, n->channel, ps_condition_name(n->condition),
                   ps_cause_name(n->cause), images_text(n->images_active, "NA", images), evidence);
        else
            printf("%-40s %-10s %-15s %13s  %s\n", name, ps_condition_name(n->condition), ps_cause_name(n->cause),
                   images_text(n->images_active, "-", images), evidence);
    }
    if (left > 0) printf("and %d more nodes (--nodes prints all)\n", left);
}

/* ---- parameters and states that no network can have: not finite, or a variance below 0 ---- */

typedef struct {
    size_t count, first; /* how many values, and the first one's place */
} broken_values;

static broken_values broken_of(const ps_param *p) {
    broken_values found = {0, 0};
    for (size_t i = 0; (i = ps_param_find_broken(p, i)) < p->count; i++)
        if (found.count++ == 0) found.first = i;
    return found;
}

static const char *kind_of(const ps_param *p) { return p->learned ? "parameter" : "state"; }

static void print_broken(ps_net *net) {
    for (int i = -1; (i = ps_net_find_broken(net, i + 1)) >= 0;) {
        const ps_param *p = ps_net_param(net, i);
        broken_values found = broken_of(p);
        char value[32];
        ps_text_number(p->value[found.first], 9, value);
        printf("%s (%s): %zu of %zu values are %s, the first is %s at %zu\n", p->name, kind_of(p), found.count,
               p->count, isfinite(p->value[found.first]) ? "variances below 0" : "not finite", value, found.first);
    }
}

static bool add_broken(cJSON *json, ps_net *net) {
    cJSON *list = cJSON_AddArrayToObject(json, "not_finite");
    bool whole = list != NULL;
    for (int i = -1; whole && (i = ps_net_find_broken(net, i + 1)) >= 0;) {
        const ps_param *p = ps_net_param(net, i);
        broken_values found = broken_of(p);
        cJSON *item = cJSON_CreateObject();
        whole = cJSON_AddItemToArray(list, item) && cJSON_AddStringToObject(item, "name", p->name) != NULL &&
                cJSON_AddBoolToObject(item, "state", !p->learned) != NULL &&
                cJSON_AddNumberToObject(item, "values", (double)found.count) != NULL &&
                cJSON_AddNumberToObject(item, "of", (double)p->count) != NULL &&
                cJSON_AddNumberToObject(item, "first", (double)found.first) != NULL;
    }
    return whole;
}

static void print_share(const char *who, int dead, int nodes) {
    if (nodes > 0) printf("%d of %d %s are dead (%.2f %%)\n", dead, nodes, who, 100.0 * dead / nodes);
}

static void print_dead(const ps_diagnosis *d) {
    int own = 0, own_dead = 0, dead = 0, all = 0, never = 0, cut_off = 0, heads = 0;
    for (int i = 0; i < d->count; i++) {
        heads += d->node[i].evidence.heads;
        if (d->node[i].evidence.heads) continue;
        never += d->node[i].evidence.never_dies;
        cut_off += isfinite(d->node[i].evidence.ceiling);
        if (d->node[i].evidence.never_dies) continue;
        all++;
        bool is_dead = d->node[i].condition == PS_CONDITION_DEAD;
        own += !d->node[i].evidence.shared;
        own_dead += is_dead && !d->node[i].evidence.shared;
        dead += is_dead;
    }
    print_share(PS_DEAD_OWN, own_dead, own);
    if (all > own) print_share(PS_DEAD_ALL, dead, all);
    if (never > 0)
        printf(
            "%d nodes cannot be exactly dead, as their activations let gradient through on both sides; %d of them "
            "are saturated (its size is below 1e-3 at every output)\n",
            never, ps_diagnosis_count(d, PS_CONDITION_SATURATED));
    if (heads > 0) printf("%d nodes are heads of attention, which no gate shuts\n", heads);
    if (cut_off > 0)
        printf(
            "%d nodes die at 0, where every output is 0, or are stuck at their activation's ceiling, which takes no "
            "gradient either: %d of them are stuck\n",
            cut_off, ps_diagnosis_count(d, PS_CONDITION_STUCK));
}

void ps_nodes_print_tsv(const ps_diagnosis *d) { print_rows(d, true, -1); }

void ps_nodes_print_table(ps_net *net, const ps_diagnosis *d, int images, int most) {
    print_broken(net);
    print_rows(d, false, most);
    print_dead(d);
    printf("%d nodes on %d probe images:", d->count, images);
    for (int i = PS_CONDITION_NONE + 1; i < PS_CONDITION_COUNT; i++)
        if (ps_condition_shows_at_rest((ps_condition)i))
            printf(" %d %s,", ps_diagnosis_count(d, (ps_condition)i), ps_condition_name((ps_condition)i));
    printf(" %d with nothing wrong\n", ps_diagnosis_count(d, PS_CONDITION_NONE));
}

static bool add_node(cJSON *list, const ps_diagnosed_node *n) {
    char evidence[256];
    cJSON *item = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(list, item)) return false;
    ps_cause_explain(&n->evidence, n->cause, evidence, sizeof evidence);
    return cJSON_AddStringToObject(item, "layer", n->layer) != NULL &&
           cJSON_AddNumberToObject(item, "channel", n->channel) != NULL &&
           cJSON_AddStringToObject(item, "condition", ps_condition_name(n->condition)) != NULL &&
           cJSON_AddStringToObject(item, "cause", ps_cause_name(n->cause)) != NULL &&
           cJSON_AddNumberToObject(item, "images_active", n->images_active) != NULL &&
           cJSON_AddStringToObject(item, "evidence", evidence) != NULL;
}

ps_status ps_nodes_json(const ps_checkpoint_session *s, const ps_diagnosis *d, int images, char **text) {
    cJSON *json = cJSON_CreateObject(), *list = NULL;
    bool whole = (s->weights_only ? cJSON_AddNullToObject(json, "checkpoint_step")
                                  : cJSON_AddNumberToObject(json, "checkpoint_step", (double)s->step)) != NULL &&
                 cJSON_AddNumberToObject(json, "images", images) != NULL &&
                 cJSON_AddNumberToObject(json, "nodes", d->count) != NULL && add_broken(json, s->session.net) &&
                 (list = cJSON_AddArrayToObject(json, "found")) != NULL;
    for (int i = 0; i < d->count && whole; i++)
        if (d->node[i].condition != PS_CONDITION_NONE) whole = add_node(list, &d->node[i]);
    *text = NULL;
    if (whole) whole = ps_json_text(json, text) == PS_OK;
    cJSON_Delete(json);
    if (*text == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for the diagnosis of %d nodes", d->count);
    return PS_OK;
}

ps_status ps_nodes_judge(ps_net *net, const ps_diagnosis *d, const char *path) {
    int nodes = ps_diagnosis_count(d, PS_CONDITION_NONFINITE);
    PS_TRY(ps_net_check_finite(net, PS_ERR_CHECK, path));
    if (nodes == 0) return PS_OK;
    return ps_fail(PS_ERR_CHECK,
                   "%s: the outputs of %d nodes are not finite on the probe set, though all weights are: numbers "
                   "overflow in the network; look at the first node of the list, and at the data",
                   path, nodes);
}
