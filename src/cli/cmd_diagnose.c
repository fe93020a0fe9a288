#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "measure/diagnose.h"
#include "run/subject.h"
#include "core/json.h"
#include "core/text.h"

static int threads;
static bool as_json, as_tsv;

static const ps_option options[] = {
    PS_THREADS(threads),
    PS_FLAG("tsv", as_tsv, "tab-separated lines with a header, no summary"),
    PS_FLAG("json", as_json, "print one JSON object"),
    {0},
};

const ps_command ps_command_diagnose = {
    .name = "diagnose",
    .usage = PS_SUBJECT_USAGE " [--data SOURCE] [--tsv | --json]",
    .summary =
        "Looks at a network on its probe set and lists every node that is dead (batch mode), constant, dead in "
        "evaluation mode\n"
        "only, unused, or on the edge (rounding decides whether its gate ever opens; no fault), with the cause and the "
        "numbers\n"
        "it rests on (`poolscope explain --causes` says it in words). Whether a node is inert shows only in training: "
        "`poolscope\n"
        "train` records it. Parameters and running statistics that hold NaN or infinity, or a variance below 0, are "
        "named, "
        "and the exit status is 1:\n"
        "nothing can be said of what stands behind them.",
    .examples =
        "  poolscope diagnose runs/a\n"
        "  poolscope diagnose runs/a/checkpoint.safetensors --tsv > nodes.tsv\n"
        "  poolscope diagnose weights.safetensors --model resnet18 --data cifar10:DIR\n",
    .options = options,
    .run_options = PS_SUBJECT_OPTIONS,
    .min_positional = 1,
    .max_positional = 1,
};

static void print_rows(const ps_diagnosis *d) {
    if (as_tsv) printf("layer\tchannel\tcondition\tcause\timages_active\tevidence\n");
    else if (ps_diagnosis_count(d, PS_CONDITION_NONE) < d->count)
        printf("%-40s %-10s %-15s %13s  %s\n", "node", "condition", "cause", "images active", "evidence");
    for (int i = 0; i < d->count; i++) {
        const ps_diagnosed_node *n = &d->node[i];
        char evidence[256], name[256];
        if (n->condition == PS_CONDITION_NONE) continue;
        ps_cause_explain(&n->evidence, n->cause, evidence, sizeof evidence);
        snprintf(name, sizeof name, "%s:%d", n->layer, n->channel);
        if (as_tsv)
            printf("%s\t%d\t%s\t%s\t%.0f\t%s\n", n->layer, n->channel, ps_condition_name(n->condition),
                   ps_cause_name(n->cause), n->images_active, evidence);
        else
            printf("%-40s %-10s %-15s %13.0f  %s\n", name, ps_condition_name(n->condition), ps_cause_name(n->cause),
                   n->images_active, evidence);
    }
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
    int own = 0, own_dead = 0, dead = 0;
    for (int i = 0; i < d->count; i++) {
        bool is_dead = d->node[i].condition == PS_CONDITION_DEAD;
        own += !d->node[i].evidence.shared;
        own_dead += is_dead && !d->node[i].evidence.shared;
        dead += is_dead;
    }
    print_share(PS_DEAD_OWN, own_dead, own);
    if (d->count > own) print_share(PS_DEAD_ALL, dead, d->count);
}

static void print_table(ps_net *net, const ps_diagnosis *d, int images) {
    if (!as_tsv) print_broken(net);
    print_rows(d);
    if (as_tsv) return;
    printf("%d nodes on %d probe images:", d->count, images);
    for (int i = PS_CONDITION_NONE + 1; i < PS_CONDITION_COUNT; i++)
        if (ps_condition_shows_at_rest((ps_condition)i))
            printf(" %d %s,", ps_diagnosis_count(d, (ps_condition)i), ps_condition_name((ps_condition)i));
    printf(" %d with nothing wrong\n", ps_diagnosis_count(d, PS_CONDITION_NONE));
    print_dead(d);
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

static ps_status print_json(const ps_checkpoint_session *s, const ps_diagnosis *d, int images) {
    cJSON *json = cJSON_CreateObject(), *list = NULL;
    bool whole = (s->weights_only ? cJSON_AddNullToObject(json, "checkpoint_step")
                                  : cJSON_AddNumberToObject(json, "checkpoint_step", (double)s->step)) != NULL &&
                 cJSON_AddNumberToObject(json, "images", images) != NULL &&
                 cJSON_AddNumberToObject(json, "nodes", d->count) != NULL && add_broken(json, s->session.net) &&
                 (list = cJSON_AddArrayToObject(json, "found")) != NULL;
    for (int i = 0; i < d->count && whole; i++)
        if (d->node[i].condition != PS_CONDITION_NONE) whole = add_node(list, &d->node[i]);
    char *text = NULL;
    if (whole) whole = ps_json_text(json, &text) == PS_OK;
    cJSON_Delete(json);
    if (text == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for the diagnosis of %d nodes", d->count);
    puts(text);
    cJSON_free(text);
    return PS_OK;
}

/* PS_ERR_CHECK, and so exit status 1, where a number is not finite. */
static ps_status judge(ps_net *net, const ps_diagnosis *d, const char *path) {
    int nodes = ps_diagnosis_count(d, PS_CONDITION_NONFINITE);
    PS_TRY(ps_net_check_finite(net, PS_ERR_CHECK, path));
    if (nodes == 0) return PS_OK;
    return ps_fail(PS_ERR_CHECK,
                   "%s: the outputs of %d nodes are not finite on the probe set, though all weights are: numbers "
                   "overflow in the network; look at the first node of the list, and at the data",
                   path, nodes);
}

ps_status ps_cmd_diagnose(int argc, char **argv) {
    ps_arguments arguments;
    ps_checkpoint_session session;
    ps_diagnosis diagnosis = {NULL, 0};
    PS_TRY(ps_command_parse(&ps_command_diagnose, argc, argv, &arguments));
    if (as_json && as_tsv) return ps_fail(PS_ERR_USAGE, "diagnose: choose one of --json and --tsv");
    PS_TRY(ps_subject_open(&session, arguments.positional[0], &arguments.run, threads));
    ps_probe_source source = ps_session_probe_source(&session.session);
    int images = session.session.probe_batches * session.config.batch;
    ps_status status = ps_diagnose(session.session.net, &source, &diagnosis);
    if (status == PS_OK && as_json) status = print_json(&session, &diagnosis, images);
    else if (status == PS_OK) print_table(session.session.net, &diagnosis, images);
    if (status == PS_OK) status = judge(session.session.net, &diagnosis, arguments.positional[0]);
    ps_diagnosis_clear(&diagnosis);
    ps_checkpoint_session_close(&session);
    return status;
}
