/* The nodes to look at. A network has too many to list, so they are ranked by how much there is to tell: 4 points dead
 * at the last probe after a death that was seen, 3 dead there at all, 2 planted, 2 inert though not dead, 1 near-dead,
 * and one for every revival and death (at most 4). Every arm gets the same share of the rows; ties stand in the order
 * of the table. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "reports/escape.h"
#include "reports/html.h"
#include "reports/html_cells.h"

enum { most_rows = 500 };

typedef struct {
    int arm, seed, stage, node, state, first_death, revivals, deaths, dead_share, lifeline, cause, evidence, mobility,
        path_gradient, grad_ratio, planted;
} node_columns;

typedef struct {
    int row, points;
} ranked;

static node_columns find_columns(const ps_table *nodes) {
    return (node_columns){.arm = ps_table_column(nodes, "arm"),
                          .seed = ps_table_column(nodes, "seed"),
                          .stage = ps_table_column(nodes, "stage"),
                          .node = ps_table_column(nodes, "node"),
                          .state = ps_table_column(nodes, "state"),
                          .first_death = ps_table_column(nodes, "first_death"),
                          .revivals = ps_table_column(nodes, "revivals"),
                          .deaths = ps_table_column(nodes, "deaths"),
                          .dead_share = ps_table_column(nodes, "dead_share"),
                          .lifeline = ps_table_column(nodes, "lifeline"),
                          .cause = ps_table_column(nodes, "cause"),
                          .evidence = ps_table_column(nodes, "evidence"),
                          .mobility = ps_table_column(nodes, "mobility"),
                          .path_gradient = ps_table_column(nodes, "path_gradient"),
                          .grad_ratio = ps_table_column(nodes, "grad_ratio"),
                          .planted = ps_table_column(nodes, "planted")};
}

static int count_points(const ps_table *nodes, const node_columns *columns, int row) {
    bool dead = strcmp(ps_table_text(nodes, row, columns->state), "dead") == 0;
    double first = ps_table_number(nodes, row, columns->first_death), turns = 0;
    double revivals = ps_table_number(nodes, row, columns->revivals),
           deaths = ps_table_number(nodes, row, columns->deaths);
    if (isfinite(revivals)) turns += revivals;
    if (isfinite(deaths)) turns += deaths;
    int points = turns > 4 ? 4 : (int)turns;
    if (dead) points += first > 0 ? 4 : 3;
    else if (strcmp(ps_table_text(nodes, row, columns->mobility), "inert") == 0) points += 2;
    if (strcmp(ps_table_text(nodes, row, columns->state), "near_dead") == 0) points += 1;
    if (!ps_table_missing(nodes, row, columns->planted)) points += 2;
    return points;
}

static int compare_ranked(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->points != y->points) return x->points > y->points ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int compare_rows(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

/* Moves the best of each arm to the front, as many as fit; returns how many there are, best first within the table's
 * arms.
 */
static int choose(const ps_report_content *content, const ps_table *nodes, const node_columns *columns, ranked *all,
                  int count) {
    int quota = most_rows / content->arms.rows, chosen = 0;
    if (quota < 1) quota = 1;
    qsort(all, (size_t)count, sizeof *all, compare_rows);
    for (int start = 0, end; start < count; start = end) {
        const char *arm = ps_table_text(nodes, all[start].row, columns->arm);
        for (end = start + 1; end < count && strcmp(ps_table_text(nodes, all[end].row, columns->arm), arm) == 0; end++)
            continue;
        qsort(all + start, (size_t)(end - start), sizeof *all, compare_ranked);
        for (int i = start; i < end && i - start < quota && chosen < most_rows; i++)
            if (all[i].points > 0 || chosen < 20) all[chosen++] = all[i];
    }
    qsort(all, (size_t)chosen, sizeof *all, compare_ranked);
    return chosen;
}

/* What each letter of a life line is called and how it is drawn, of its own height and place, so that shape tells what
 * colour does. The last stands for every other letter. */
static const struct life_state {
    char letter;
    const char *word, *class;
    int top, height;
} life_states[] = {{'A', "alive", "A", 3, 3},
                   {'D', "dead", "D", 0, 9},
                   {'n', "near-dead", "n", 2, 5},
                   {'e', "on the edge", "e", 6, 3},
                   {'?', "not recorded", "q", 4, 1}};
enum { LIFE_STATES = sizeof life_states / sizeof *life_states };

static const struct life_state *life_state_of(char letter) {
    for (int k = 0; k < LIFE_STATES - 1; k++)
        if (life_states[k].letter == letter) return &life_states[k];
    return &life_states[LIFE_STATES - 1];
}

/* The life in words, for those who hear the page: "alive 12, dead 5". Long lives are cut after eight turns. */
static void print_life_words(FILE *stream, const char *life) {
    int turns = 0;
    for (const char *at = life; *at && turns < 8; turns++) {
        size_t length = strspn(at, (char[]){*at, '\0'});
        fprintf(stream, "%s%s %zu", turns ? ", " : "", life_state_of(*at)->word, length);
        at += length;
        if (*at && turns == 7) fputs(", and more", stream);
    }
}

/* One path for each state. */
static void print_life_paths(FILE *stream, const char *life) {
    for (const struct life_state *state = life_states; state < life_states + LIFE_STATES; state++) {
        bool open = false;
        for (const char *at = life; *at;) {
            size_t length = strspn(at, (char[]){*at, '\0'});
            if (life_state_of(*at) == state) {
                if (!open) fprintf(stream, "<path class=\"%s\" d=\"", state->class);
                fprintf(stream, "M%td %dh%zuv%dh-%zuz", at - life, state->top, length, state->height, length);
                open = true;
            }
            at += length;
        }
        if (open) fputs("\"/>", stream);
    }
}

static void print_life(FILE *stream, const char *life) {
    if (strcmp(life, "NA") == 0 || !*life) {
        fputs("<td>–</td>", stream);
        return;
    }
    fputs("<td data-key=\"", stream);
    ps_escape_html(stream, life);
    fprintf(stream,
            "\"><svg class=\"life\" viewBox=\"0 0 %zu 9\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
            strlen(life));
    print_life_words(stream, life);
    fputs("\">", stream);
    print_life_paths(stream, life);
    fputs("</svg></td>", stream);
}

static void print_node(FILE *stream, const ps_table *nodes, const node_columns *columns, int row) {
    char text[PS_ESCAPE_NUMBER];
    fputs("<tr>", stream);
    ps_report_html_cell(stream, ps_table_text(nodes, row, columns->arm));
    fprintf(stream, "<td class=\"n\">");
    ps_escape_html(stream, ps_table_text(nodes, row, columns->seed));
    fputs("</td><th scope=\"row\"><span>", stream);
    ps_escape_html(stream, ps_table_text(nodes, row, columns->node));
    fputs("</span></th>", stream);
    ps_report_html_cell(stream, ps_table_text(nodes, row, columns->state));
    print_life(stream, ps_table_text(nodes, row, columns->lifeline));
    ps_report_html_cell(stream, ps_table_text(nodes, row, columns->cause));
    ps_report_html_number(stream, ps_table_number(nodes, row, columns->first_death));
    ps_report_html_number(stream, ps_table_number(nodes, row, columns->revivals));
    fprintf(stream, "<td class=\"n\">%s</td>",
            ps_escape_percent(text, ps_table_number(nodes, row, columns->dead_share), 0));
    ps_report_html_cell(stream, ps_table_text(nodes, row, columns->mobility));
    ps_report_html_number(stream, ps_table_number(nodes, row, columns->path_gradient));
    ps_report_html_number(stream, ps_table_number(nodes, row, columns->grad_ratio));
    ps_report_html_cell(
        stream, ps_table_missing(nodes, row, columns->planted) ? "–" : ps_table_text(nodes, row, columns->planted));
    fputs("<td><span class=\"evidence\">", stream);
    ps_escape_html(
        stream, ps_table_missing(nodes, row, columns->evidence) ? "–" : ps_table_text(nodes, row, columns->evidence));
    fputs("</span></td></tr>\n", stream);
}

static void print_tools(FILE *stream, int shown, int all) {
    fprintf(
        stream,
        "<p>The %d most telling of %d nodes; all of them stand in tables/nodes.tsv. A life line runs from the first "
        "probe to the last:"
        "<svg class=\"key\" viewBox=\"0 0 9 9\" aria-hidden=\"true\"><rect width=\"9\" height=\"9\" "
        "style=\"fill:var(--dead)\"/></svg>dead (tall)"
        "<svg class=\"key\" viewBox=\"0 0 9 9\" aria-hidden=\"true\"><rect y=\"2\" width=\"9\" height=\"5\" "
        "style=\"fill:var(--near)\"/></svg>near-dead"
        "<svg class=\"key\" viewBox=\"0 0 9 9\" aria-hidden=\"true\"><rect y=\"6\" width=\"9\" height=\"3\" "
        "style=\"fill:var(--arm5)\"/></svg>on the edge (low)"
        "<svg class=\"key\" viewBox=\"0 0 9 9\" aria-hidden=\"true\"><rect y=\"3\" width=\"9\" height=\"3\" "
        "style=\"fill:var(--alive)\"/></svg>alive (thin).</p>\n",
        shown, all);
    fputs(
        "<div class=\"tools\" id=\"node-tools\" hidden><label>Find<input type=\"search\" id=\"node-text\" "
        "placeholder=\"layer, cause, …\"></label>"
        "<label>Arm<select data-column=\"0\"><option value=\"\">all</option></select></label>"
        "<label>State<select data-column=\"3\"><option value=\"\">all</option></select></label>"
        "<label>Cause<select data-column=\"5\"><option value=\"\">all</option></select></label>"
        "<p id=\"node-count\" role=\"status\" aria-live=\"polite\"></p></div>\n",
        stream);
}

static void print_table(FILE *stream, const ps_table *nodes, const node_columns *columns, const ranked *rows,
                        int count) {
    fputs(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Nodes\"><table "
        "id=\"nodes\"><caption><span>Nodes "
        "to look at. Choose a column's name to sort by it. Print shows the first 40.</span></caption><thead><tr>"
        "<th scope=\"col\">Arm</th><th scope=\"col\" class=\"n\">Seed</th><th scope=\"col\">Node</th><th "
        "scope=\"col\">State</th><th scope=\"col\">Life</th>"
        "<th scope=\"col\">Cause</th><th scope=\"col\" class=\"n\">First death</th><th scope=\"col\" "
        "class=\"n\">Revivals</th><th scope=\"col\" class=\"n\">Dead, %</th><th scope=\"col\">Mobility</th>"
        "<th scope=\"col\" class=\"n\">Gradient path</th><th scope=\"col\" class=\"n\">Gradient ratio</th>"
        "<th scope=\"col\">Planted</th><th scope=\"col\">Evidence for the cause</th></tr></thead><tbody>\n",
        stream);
    for (int i = 0; i < count; i++) print_node(stream, nodes, columns, rows[i].row);
    fputs("</tbody></table></div>\n", stream);
}

static ps_status print_ranked(FILE *stream, const ps_report_content *content, const ps_table *nodes) {
    node_columns columns = find_columns(nodes);
    ranked *rows = NULL;
    PS_TRY(PS_ALLOC((size_t)nodes->rows + 1, &rows, "the table of nodes"));
    for (int row = 0; row < nodes->rows; row++) rows[row] = (ranked){row, count_points(nodes, &columns, row)};
    int shown = choose(content, nodes, &columns, rows, nodes->rows);
    print_tools(stream, shown, nodes->rows);
    print_table(stream, nodes, &columns, rows, shown);
    ps_free(rows);
    return PS_OK;
}

/* What the causes that occur mean, by cause_texts.tsv; nothing for tables without it. */
static ps_status print_causes(FILE *stream, const ps_report_content *content, const ps_table *nodes) {
    ps_table texts;
    int cause = ps_table_column(nodes, "cause"), shown = 0;
    PS_TRY(ps_table_read_named(content->tables, "cause_texts", &texts));
    int name = ps_table_column(&texts, "cause"), rule = ps_table_column(&texts, "rule"),
        remedy = ps_table_column(&texts, "remedy");
    for (int row = 0; row < texts.rows; row++) {
        if (ps_table_find(nodes, 0, cause, ps_table_text(&texts, row, name)) < 0) continue;
        fputs(shown++ == 0 ? "<details><summary>What the causes mean</summary><dl>\n<dt>" : "<dt>", stream);
        ps_escape_html(stream, ps_table_text(&texts, row, name));
        fputs("</dt><dd>", stream);
        ps_escape_html(stream, ps_table_text(&texts, row, rule));
        if (!ps_table_missing(&texts, row, remedy)) {
            fputs(" <em>What may help:</em> ", stream);
            ps_escape_html(stream, ps_table_text(&texts, row, remedy));
        }
        fputs("</dd>\n", stream);
    }
    if (shown > 0) fputs("</dl></details>\n", stream);
    ps_table_clear(&texts);
    return PS_OK;
}

ps_status ps_report_html_nodes(FILE *stream, const ps_report_content *content) {
    ps_table nodes;
    PS_TRY(ps_table_read_named(content->tables, "nodes", &nodes));
    fputs("<section aria-labelledby=\"h-nodes\"><h2 id=\"h-nodes\">Nodes to look at</h2>\n<div class=\"card\">",
          stream);
    ps_status status = PS_OK;
    if (nodes.rows > 0) status = print_ranked(stream, content, &nodes);
    else fputs("<p>Not recorded: tables/nodes.tsv holds no node.</p>", stream);
    if (status == PS_OK && nodes.rows > 0) status = print_causes(stream, content, &nodes);
    fputs("</div></section>\n", stream);
    ps_table_clear(&nodes);
    return status;
}
