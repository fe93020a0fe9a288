#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/findings/finding_write.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "watch/experiment.h"
#include "watch/follow.h"
#include "watch/screen.h"
#include "watch/view.h"
#include "trace/trace_input.h"

static bool once, ascii;
static int width;

static const ps_option options[] = {
    PS_FLAG("once", once, "print one snapshot as text and end (as when the output is no terminal)"),
    PS_WHOLE("width", width, "N", "100", 1, 1000, "columns of a snapshot"),
    PS_FLAG("ascii", ascii, "draw with ASCII characters only"),
    {0},
};

const ps_command ps_command_watch = {
    .name = "watch",
    .usage = "RUN|EXPERIMENT [options]",
    .summary =
        "Shows a growing trace on the terminal: loss, what the task measures, dead nodes and inertia by layer, the "
        "newest deaths and "
        "revivals, and\nfindings as they appear. RUN is a run's\n"
        "directory or a trace file, perhaps copied from another machine; it is only read. The directory of an "
        "experiment "
        "shows a line a run.\n"
        "Keys: q quit, p pause, arrows or j k scroll, s sort, h help.",
    .examples = "  poolscope watch runs/a\n  poolscope watch runs/a --once\n  poolscope watch runs/quickstart\n",
    .options = options,
    .min_positional = 1,
    .max_positional = 1,
};

enum { POLL_MILLISECONDS = 250, PS_WATCH_RULES = 256 };

typedef struct {
    bool of_experiment; /* the second of the two is looked at */
    ps_follow follow;
    ps_watch_model model;
    ps_watch_experiment experiment;
    ps_watch_view view;
    ps_watch_finding finding[PS_WATCH_FINDINGS];
    bool found[PS_WATCH_RULES];  /* by rule: whether the run had it when it was judged last */
    uint64_t judged_ns, cost_ns; /* when it was, and how long it took */
    bool judged;
} dashboard;

static bool wants_ascii(void) {
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *locale = getenv(names[i]);
        if (locale != NULL && locale[0] != '\0')
            return strstr(locale, "UTF-8") == NULL && strstr(locale, "utf8") == NULL && strstr(locale, "UTF8") == NULL;
    }
    return true;
}

static void say_finding(const ps_finding *f, bool is_new, ps_watch_finding *out) {
    char since[40];
    ps_finding_since(f, since);
    snprintf(out->text, sizeof out->text, "%s%s%s: %s", ps_finding_level_name(f->level),
             since[0] != '\0' ? " since " : "", since, f->sentence);
    out->is_new = is_new;
}

static int place_of(const ps_finding_rule *rule) {
    int count, place = 0;
    const ps_finding_rule *const *rules = ps_finding_rules(&count);
    while (place < count && rules[place] != rule) place++;
    return place < PS_WATCH_RULES ? place : PS_WATCH_RULES - 1;
}

static void take_findings(dashboard *d, const ps_findings *findings) {
    bool found[PS_WATCH_RULES] = {false};
    d->view.finding = d->finding;
    d->view.findings_all = findings->count;
    d->view.findings = findings->count < PS_WATCH_FINDINGS ? findings->count : PS_WATCH_FINDINGS;
    for (int i = 0; i < findings->count; i++) {
        int place = place_of(findings->list[i].rule);
        found[place] = true;
        if (i < PS_WATCH_FINDINGS) say_finding(&findings->list[i], d->judged && !d->found[place], &d->finding[i]);
    }
    memcpy(d->found, found, sizeof found);
    d->judged = true;
}

/* The whole trace is read for it, so it is done as seldom as to take a twentieth of the time. A trace that breaks its
 * format is shown as far as it goes, and not judged: the line above says that it breaks. */
static bool judge_run(dashboard *d) {
    uint64_t now = ps_clock_ns();
    bool too_soon = d->judged_ns > 0 && now - d->judged_ns < 20 * d->cost_ns;
    if (d->of_experiment || !d->model.has_header || too_soon) return false;
    ps_facts facts;
    ps_findings findings;
    ps_status status = ps_facts_of_trace(d->view.path, &facts);
    if (status == PS_OK) {
        status = ps_findings_judge(&facts, NULL, NULL, &findings);
        if (status == PS_OK) take_findings(d, &findings);
        if (status == PS_OK) ps_findings_clear(&findings);
        ps_facts_clear(&facts);
    }
    if (status != PS_OK) {
        d->view.finding = NULL;
        ps_status_reset();
    }
    d->judged_ns = ps_clock_ns();
    d->cost_ns = d->judged_ns - now;
    return true;
}

static ps_status read_new_lines(dashboard *d, bool *changed) {
    bool restarted;
    char *line;
    if (d->of_experiment) return ps_watch_experiment_read(&d->experiment, changed);
    PS_TRY(ps_follow_check(&d->follow, &restarted));
    if (restarted) ps_watch_model_clear(&d->model);
    *changed = restarted || d->view.gone != d->follow.gone;
    d->view.gone = d->follow.gone;
    for (;;) {
        PS_TRY(ps_follow_line(&d->follow, &line));
        if (line == NULL) return PS_OK;
        *changed = true;
        PS_TRY(ps_watch_model_take(&d->model, line));
    }
}

static ps_status draw(dashboard *d, FILE *stream) {
    return d->of_experiment ? ps_watch_experiment_draw(stream, &d->experiment, &d->view)
                            : ps_watch_draw(stream, &d->model, &d->view);
}

static ps_status show(dashboard *d) {
    char *text = NULL;
    size_t size;
    ps_screen_size(&d->view.width, &d->view.height);
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for a screen");
    ps_status status = draw(d, memory);
    ps_status closed = ps_memory_stream_close(memory, &text, "a screen");
    if (status == PS_OK) status = closed;
    if (status == PS_OK) ps_screen_show(text);
    free(text);
    return status;
}

static void apply_key(dashboard *d, ps_key key) {
    int page = d->view.height > 12 ? d->view.height - 12 : 1;
    int *scroll = d->view.help ? &d->view.help_scroll : &d->view.scroll;
    switch (key) {
        case PS_KEY_PAUSE: d->view.paused = !d->view.paused; break;
        case PS_KEY_UP: --*scroll; break;
        case PS_KEY_DOWN: ++*scroll; break;
        case PS_KEY_PAGE_UP: *scroll -= page; break;
        case PS_KEY_PAGE_DOWN: *scroll += page; break;
        case PS_KEY_SORT: d->view.sort = (ps_watch_sort)((d->view.sort + 1) % PS_SORT_COUNT); break;
        case PS_KEY_HELP:
            d->view.help = !d->view.help;
            d->view.help_scroll = 0;
            break;
        default: break;
    }
}

static ps_status run_dashboard(dashboard *d) {
    volatile const int *stop = ps_interrupt_flag();
    ps_key key = PS_KEY_RESIZED;
    bool due = false; /* something came since the run was judged */
    while (!*stop && key != PS_KEY_QUIT) {
        bool changed = false;
        if (!d->view.paused) PS_TRY(read_new_lines(d, &changed));
        due = due || changed;
        bool judged = due && judge_run(d);
        if (judged) due = false;
        if (changed || judged || key != PS_KEY_NONE) PS_TRY(show(d));
        key = ps_screen_key(POLL_MILLISECONDS);
        apply_key(d, key);
    }
    return PS_OK;
}

static ps_status run_snapshot(dashboard *d) {
    bool changed;
    PS_TRY(read_new_lines(d, &changed));
    judge_run(d);
    d->view.width = width;
    return draw(d, stdout);
}

static ps_status run_watch(dashboard *d, const char *path) {
    d->view.path = path;
    d->view.ascii = ascii || wants_ascii();
    if (d->of_experiment) PS_TRY(ps_watch_experiment_open(&d->experiment, path));
    else PS_TRY(ps_follow_open(&d->follow, path));
    if (once || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) return run_snapshot(d);
    if (!ps_screen_can_open()) {
        fprintf(stderr, "note: TERM names no terminal known here that can move its cursor, so this is one snapshot.\n");
        return run_snapshot(d);
    }
    ps_status status = ps_screen_open();
    if (status == PS_OK) status = run_dashboard(d);
    ps_screen_close();
    return status;
}

ps_status ps_cmd_watch(int argc, char **argv) {
    ps_arguments arguments;
    static dashboard d;
    char *path;
    PS_TRY(ps_command_parse(&ps_command_watch, argc, argv, &arguments));
    const char *given = arguments.positional[0];
    if (ps_file_is_weights(given)) /* its first line would be cut at a zero byte */
        return ps_fail(PS_ERR_INPUT,
                       "%s: is a file of weights (safetensors), and a trace is wanted here; give the directory of the "
                       "run, or its trace.jsonl",
                       given);
    bool is_directory = ps_file_is_directory(given);
    PS_TRY(ps_trace_path(given, &path));
    d.of_experiment = is_directory && !ps_file_exists(path) && ps_watch_is_experiment(given);
    ps_status status = run_watch(&d, d.of_experiment ? given : path);
    ps_watch_experiment_clear(&d.experiment);
    ps_watch_model_clear(&d.model);
    ps_follow_close(&d.follow);
    free(path);
    return status;
}
