/* The page's first numbers: every arm at a glance, and what was run. */
#include "reports/html.h"

#include <math.h>
#include <string.h>

#include "reports/escape.h"

typedef struct {
    const char *column, *title;
    int share;
} glance_column;

static const glance_column glance[] = {{"dead_mean", "Dead, own gate, time average", 1},
                                       {"dead_end", "Dead, own gate, at the end", 1},
                                       {"dead_all_end", "Dead, all gates, at the end", 1},
                                       {"edge_mean", "On the edge", 1},
                                       {"revival_rate", "Revived per window", 1},
                                       {"death_rate", "Newly dead per window", 1},
                                       {"loss_end", "Training loss, end", 0}};

enum { glance_count = sizeof glance / sizeof *glance };

static bool counts_dead(const glance_column *what) { return strncmp(what->column, "dead_", 5) == 0; }

/* Of an arm of which runs did not learn: a mark beside what they make meaningless. */
static void print_flag(FILE *stream, const ps_report_content *content, const char *arm) {
    const cJSON *outcome = ps_report_outcome(content, arm);
    int unlearned = ps_report_unlearned(outcome);
    if (unlearned == 0) return;
    fprintf(stream, "<abbr class=\"flag\" title=\"%d of %.0f runs of this arm did not learn\">!</abbr>", unlearned,
            ps_report_number(outcome, "runs"));
}

/* Runs that collapsed, and the exact bound on how many such runs do. */
static void print_collapsed(FILE *stream, const ps_report_content *content, const char *arm) {
    const cJSON *outcome = ps_report_outcome(content, arm);
    char upper[PS_ESCAPE_NUMBER];
    if (!outcome) {
        fputs("<td class=\"n\">–</td>", stream);
        return;
    }
    fprintf(stream, "<td class=\"n\">%.0f of %.0f<small>at most %s&nbsp;%%</small></td>",
            ps_report_number(outcome, "collapsed"), ps_report_number(outcome, "runs"),
            ps_escape_percent(upper, ps_report_number(outcome, "upper"), 0));
}

/* Mean over an arm's seeds, with the lowest and highest beneath. */
static void print_glance_cell(FILE *stream, const ps_report_content *content, const char *arm,
                              const glance_column *what) {
    const ps_table *runs = &content->runs;
    int arm_column = ps_table_column(runs, "arm"), column = ps_table_column(runs, what->column), count = 0;
    double sum = 0, low = INFINITY, high = -INFINITY;
    char a[PS_ESCAPE_NUMBER], b[PS_ESCAPE_NUMBER], c[PS_ESCAPE_NUMBER];
    for (int row = ps_table_find(runs, 0, arm_column, arm); row >= 0;
         row = ps_table_find(runs, row + 1, arm_column, arm)) {
        double value = ps_table_number(runs, row, column);
        if (!isfinite(value)) continue;
        sum += value;
        low = fmin(low, value);
        high = fmax(high, value);
        count++;
    }
    if (counts_dead(what) && ps_report_never_dies(content, arm) && !(sum > 0)) {
        fputs("<td class=\"n\">cannot be exactly dead</td>", stream);
        return;
    }
    if (count == 0) {
        fputs("<td class=\"n\">–</td>", stream);
        return;
    }
    fputs("<td class=\"n\">", stream);
    if (counts_dead(what)) print_flag(stream, content, arm);
    if (what->share) fprintf(stream, "%s&nbsp;%%", ps_escape_percent(a, sum / count, 0));
    else fputs(ps_escape_number(a, sum / count), stream);
    if (count > 1 && what->share)
        fprintf(stream, "<small>%s to %s</small>", ps_escape_percent(b, low, 0), ps_escape_percent(c, high, 0));
    else if (count > 1) fprintf(stream, "<small>%s to %s</small>", ps_escape_number(b, low), ps_escape_number(c, high));
    fputs("</td>", stream);
}

static void print_glance_row(FILE *stream, const ps_report_content *content, int row, const glance_column *task) {
    const ps_table *arms = &content->arms;
    const char *arm = ps_table_text(arms, row, ps_table_column(arms, "arm"));
    double diverged = ps_table_number(arms, row, ps_table_column(arms, "diverged"));
    double unfinished = ps_table_number(arms, row, ps_table_column(arms, "unfinished"));
    double nonfinite = ps_table_number(arms, row, ps_table_column(arms, "nonfinite"));
    fprintf(stream,
            "<tr><th scope=\"row\"><svg class=\"key\" viewBox=\"0 0 9 9\" aria-hidden=\"true\"><rect width=\"9\" "
            "height=\"9\" style=\"fill:var(--arm%d)\"/></svg>",
            row % 8 + 1);
    ps_escape_html(stream, arm);
    if (diverged > 0) fprintf(stream, "<small>%.0f diverged</small>", diverged);
    if (unfinished > 0) fprintf(stream, "<small>%.0f unfinished</small>", unfinished);
    if (nonfinite > 0) fprintf(stream, "<small>%.0f not finite at the end</small>", nonfinite);
    fputs("</th>", stream);
    print_collapsed(stream, content, arm);
    for (int i = -1; i < glance_count; i++) print_glance_cell(stream, content, arm, i >= 0 ? &glance[i] : task);
    fputs("</tr>\n", stream);
}

void ps_report_html_glance(FILE *stream, const ps_report_content *content) {
    const ps_table *arms = &content->arms;
    if (content->runs.rows == 0) return;
    fputs(
        "<div class=\"card scroll glance\" tabindex=\"0\" role=\"region\" aria-label=\"At a "
        "glance\"><table><caption><span>At a glance: mean over each arm's seeds, lowest and highest seed "
        "beneath. Dead is counted over two populations: nodes with a gate of their own, and the channels of all gates, "
        "those behind sums among them.",
        stream);
    if (cJSON_GetObjectItemCaseSensitive(content->verdict, "outcomes"))
        fputs(
            " Collapsed: with the 95&nbsp;% bound on the share of such runs. !: some of the arm's runs did not learn.",
            stream);
    fputs("</span></caption><thead><tr><th scope=\"col\">Arm</th><th scope=\"col\" class=\"n\">Collapsed</th>", stream);
    char title[80];
    const glance_column task = {ps_report_measure(content), ps_report_measure_title(content, title, sizeof title),
                                ps_report_measure_is_share(content)};
    for (int i = -1; i < glance_count; i++)
        fprintf(stream, "<th scope=\"col\" class=\"n\">%s</th>", i >= 0 ? glance[i].title : task.title);
    fputs("</tr></thead><tbody>\n", stream);
    for (int row = 0; row < arms->rows; row++) print_glance_row(stream, content, row, &task);
    fputs("</tbody></table></div>\n", stream);
}

/* A fact where it is known. */
static void print_fact(FILE *stream, const char *name, const char *value) {
    if (!*value || strcmp(value, "NA") == 0) return;
    fprintf(stream, "<div><dt>%s</dt><dd>", name);
    ps_escape_html(stream, value);
    fputs("</dd></div>\n", stream);
}

/* Value of a column of runs.tsv where all runs agree, else "differs". */
static const char *common_value(const ps_report_content *content, const char *column) {
    int at = ps_table_column(&content->runs, column);
    if (at < 0 || content->runs.rows == 0) return "";
    const char *first = ps_table_text(&content->runs, 0, at);
    for (int row = 1; row < content->runs.rows; row++)
        if (strcmp(first, ps_table_text(&content->runs, row, at)) != 0) return "differs between runs";
    return first;
}

/* How many arms and seeds; of one run which seed. */
static void print_arms(FILE *stream, const ps_report_content *content) {
    char text[128], paired[1024];
    int seed = ps_table_column(&content->runs, "seed"), arm = ps_table_column(&content->runs, "arm"), seeds = 0;
    const char *reference =
        content->arms.rows ? ps_table_text(&content->arms, 0, ps_table_column(&content->arms, "arm")) : "";
    if (content->single) {
        print_fact(stream, "Seed", seed >= 0 ? ps_table_text(&content->runs, 0, seed) : "");
        return;
    }
    for (int row = ps_table_find(&content->runs, 0, arm, reference); row >= 0 && seed >= 0;
         row = ps_table_find(&content->runs, row + 1, arm, reference))
        seeds++;
    snprintf(text, sizeof text, "%d arm%s, %d run%s", content->arms.rows, content->arms.rows == 1 ? "" : "s",
             content->runs.rows, content->runs.rows == 1 ? "" : "s");
    print_fact(stream, "Arms", text);
    snprintf(text, sizeof text, "%d", seeds);
    print_fact(stream, "Seeds of the reference", text);
    ps_report_write_seeds(ps_report_meta(content, "paired_seeds"), paired, sizeof paired);
    print_fact(stream, "Paired seeds", paired);
}

/* The values that a key of identity.tsv has, each once, in the order in which they come. */
static void all_values(const ps_report_content *content, const char *key, char *text, size_t size) {
    const ps_table *table = &content->identity;
    int keys = ps_table_column(table, "key"), values = ps_table_column(table, "value");
    text[0] = '\0';
    for (int row = ps_table_find(table, 0, keys, key); row >= 0; row = ps_table_find(table, row + 1, keys, key)) {
        const char *value = ps_table_text(table, row, values);
        bool first = true;
        for (int before = ps_table_find(table, 0, keys, key); before < row && first;
             before = ps_table_find(table, before + 1, keys, key))
            first = strcmp(ps_table_text(table, before, values), value) != 0;
        size_t used = strlen(text);
        if (first) snprintf(text + used, size - used, "%s%.40s", used > 0 ? ", " : "", value);
    }
}

void ps_report_html_facts(FILE *stream, const ps_report_content *content) {
    char text[128], number[PS_ESCAPE_NUMBER];
    fputs("<section class=\"card\" aria-label=\"What was run\"><dl class=\"facts\">\n", stream);
    print_fact(stream, "Network", common_value(content, "model"));
    print_fact(stream, "Data", ps_report_identity(content, "data.source"));
    print_fact(stream, "Its digest", ps_report_identity(content, "data.digest"));
    print_arms(stream, content);
    print_fact(stream, "Training steps", common_value(content, "steps"));
    if (*ps_report_identity(content, "config.lr")) {
        snprintf(text, sizeof text, "%.40s, lr %.20s, batch %.20s", ps_report_identity(content, "config.optimiser"),
                 ps_report_identity(content, "config.lr"), ps_report_identity(content, "config.batch"));
        print_fact(stream, "Optimiser", text);
    } else print_fact(stream, "Optimiser", ps_report_identity(content, "optimisers.0.name"));
    print_fact(stream, "Recorded: one of so many steps", ps_report_identity(content, "every"));
    print_fact(stream, "Precision", ps_report_identity(content, "precision"));
    print_fact(stream, "Processes that train together", ps_report_identity(content, "ranks"));
    print_fact(stream, "Nodes with a gate of their own", common_value(content, "nodes"));
    print_fact(stream, "Channels of shared gates", common_value(content, "shared_nodes"));
    print_fact(stream, "Probe images", common_value(content, "probe_images"));
    double cost = ps_report_runs_mean(content, "record_cost");
    if (isfinite(cost)) {
        snprintf(text, sizeof text, "%s %% of the training time", ps_escape_percent(number, cost, 0));
        print_fact(stream, "Cost of recording", text);
    }
    print_fact(stream, "Recorded by", common_value(content, "producer"));
    all_values(content, "machine.class", text, sizeof text);
    if (*text) print_fact(stream, "Processor class", text);
    else print_fact(stream, "Instruction set", ps_report_identity(content, "machine.simd"));
    fputs("</dl></section>\n", stream);
}
