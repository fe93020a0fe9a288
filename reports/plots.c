#include "reports/plots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "reports/escape.h"
#include "reports/plot_data.h"

/* Always as many workers, as a gnuplot's first picture differs from its later ones by a few bytes. */
enum { worker_count = 4, time_limit_s = 120 /* of a plot */ };

/* ---- where the scripts are ---- */

static bool is_share(const char *path) {
    char *list = NULL;
    if (ps_file_join(path, "plot_list.tsv", &list) != PS_OK) return false;
    bool found = ps_file_exists(list);
    free(list);
    return found;
}

/* Looks beside every folder above the executable: build/release/poolscope finds ../../reports, PREFIX/bin/poolscope
 * ../share/poolscope. */
static ps_status find_above(char *folder, char **share) {
    static const char *const places[] = {"reports", "share/poolscope"};
    for (char *slash = strrchr(folder, '/'); slash; slash = strrchr(folder, '/')) {
        *slash = '\0';
        for (int i = 0; i < 2; i++) {
            char *path = NULL;
            PS_TRY(ps_string_format(&path, "%s/%s", folder, places[i]));
            if (is_share(path)) {
                *share = path;
                return PS_OK;
            }
            free(path);
        }
    }
    return PS_OK;
}

ps_status ps_plots_find_share(char **share) {
    *share = NULL;
    const char *named = getenv("PS_SHARE");
    if (named && *named) {
        if (!is_share(named))
            return ps_fail(PS_ERR_IO,
                           "PS_SHARE names %s, which holds no plot_list.tsv; point it at poolscope's reports folder",
                           named);
        return ps_string_copy(named, share);
    }
    char folder[4096];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (length > 0) {
        folder[length] = '\0';
        PS_TRY(find_above(folder, share));
    }
    if (*share) return PS_OK;
    return ps_fail(
        PS_ERR_IO,
        "could not find the plots of the report (plot_list.tsv) near this program; run `make install`, or set PS_SHARE "
        "to the folder `reports` of poolscope's sources");
}

bool ps_plots_has_program(const char *name) {
    const char *path = getenv("PATH");
    char file[4096];
    for (const char *at = path; at && *at; at += *at == ':') {
        size_t length = strcspn(at, ":");
        int written = snprintf(file, sizeof file, "%.*s/%s", (int)length, at, name);
        if (written > 0 && (size_t)written < sizeof file && access(file, X_OK) == 0) return true;
        at += length;
    }
    return false;
}

/* ---- preparing ---- */

static ps_status read_words(const char *directory, ps_plot_words *words) {
    ps_table runs = {0}, meta = {0};
    char *tables = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_file_join(directory, "tables", &tables));
    PS_TRY_CLEANUP(ps_table_read_named(tables, "runs", &runs));
    PS_TRY_CLEANUP(ps_table_read_named(tables, "meta", &meta));
    ps_plot_words_of(&runs, &meta, words);
cleanup:
    free(tables);
    ps_table_clear(&runs);
    ps_table_clear(&meta);
    return status;
}

/* single: of one run, whose captions speak of no arms and no seeds. */
static ps_status read_list(const char *share, bool single, ps_plots *plots) {
    PS_TRY(ps_table_read_named(share, "plot_list", &plots->table));
    const ps_table *table = &plots->table;
    PS_TRY(PS_ALLOC((size_t)table->rows + 1, &plots->plots, "the list of plots"));
    plots->count = table->rows;
    for (int row = 0; row < table->rows; row++) {
        ps_plot *plot = &plots->plots[row];
        *plot = (ps_plot){.id = ps_table_text(table, row, ps_table_column(table, "id")),
                          .section = ps_table_text(table, row, ps_table_column(table, "section"))};
        bool own = single && *ps_table_text(table, row, ps_table_column(table, "caption_of_one")) != '\0';
        const struct {
            const char *column;
            char **text;
        } texts[] = {
            {"title", &plot->title}, {"needs", &plot->needs}, {own ? "caption_of_one" : "caption", &plot->caption}};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            PS_TRY(ps_plot_words_fill(&plots->words, ps_table_text(table, row, ps_table_column(table, texts[i].column)),
                                      texts[i].text));
    }
    return PS_OK;
}

static ps_status copy_file(const ps_plot_words *words, const char *from, const char *to) {
    char *content = NULL, *filled = NULL;
    size_t size = 0;
    PS_TRY(ps_file_read(from, &content, &size));
    ps_status status = ps_plot_words_fill(words, content, &filled);
    if (status == PS_OK) status = ps_file_write(to, filled, strlen(filled));
    free(content);
    free(filled);
    return status;
}

/* Copies share/plots/name.gp beside the data, so that it can be changed and run again by hand. */
static ps_status copy_script(const ps_plot_words *words, const char *share, const char *folder, const char *name) {
    char *from = NULL, *to = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_string_format(&from, "%s/plots/%s.gp", share, name));
    PS_TRY_CLEANUP(ps_string_format(&to, "%s/%s.gp", folder, name));
    status = copy_file(words, from, to);
cleanup:
    free(from);
    free(to);
    return status;
}

static ps_status prepare_plot(const ps_plot_words *words, ps_plot_source *source, const char *share, const char *folder,
                              ps_plot *plot) {
    bool recorded = false;
    PS_TRY(ps_plot_data_recorded(source, plot->needs, &recorded, &plot->note));
    if (!recorded) {
        plot->state = PS_PLOT_NOT_RECORDED;
        return PS_OK;
    }
    PS_TRY(copy_script(words, share, folder, plot->id));
    char *script = NULL;
    PS_TRY(ps_string_format(&script, "%s/%s.gp", folder, plot->id));
    ps_status status = ps_plot_data_write(source, plot->id, script);
    free(script);
    return status;
}

/* " (1 of 3 runs unfinished)" behind the name of an arm in every legend: what diverged, stopped early or was not finite
 * at its end is marked in every plot. */
static void write_marks(FILE *stream, const ps_table *arms, int row) {
    static const char *const columns[] = {"diverged", "unfinished", "nonfinite"}, *const words[] = {
                                                                                      "diverged", "unfinished",
                                                                                      "not finite at the end"};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        double count = ps_table_number(arms, row, ps_table_column(arms, columns[i]));
        double runs = ps_table_number(arms, row, ps_table_column(arms, "runs"));
        if (count > 0) fprintf(stream, " (%.0f of %.0f %s)", count, runs, words[i]);
    }
}

/* data/arms.tsv: index and name of every arm, which all scripts read for their legends. */
static ps_status write_arms(const ps_plot_source *source) {
    char *path = NULL;
    PS_TRY(ps_string_format(&path, "%s/arms.tsv", source->data));
    ps_file_writer writer;
    ps_status status = ps_file_writer_open(&writer, path);
    free(path);
    if (status != PS_OK) return status;
    int column = ps_table_column(&source->arms, "arm");
    for (int row = 0; row < source->arms.rows; row++) {
        fprintf(writer.stream, "%d\t", row + 1);
        ps_escape_plot(writer.stream, ps_table_text(&source->arms, row, column));
        write_marks(writer.stream, &source->arms, row);
        fputc('\n', writer.stream);
    }
    return ps_file_writer_commit(&writer);
}

/* ---- drawing ---- */

/* What is drawn of each plot, in this order; PDF only where it is asked for. */
static const char *const formats[] = {"svg", "png", "pdf"}, *const settings[] = {"format='svg'", "format='png'",
                                                                                 "format='pdf'"};
enum { most_formats = sizeof formats / sizeof *formats };
_Static_assert((int)(sizeof settings / sizeof *settings) == (int)most_formats, "a setting for every format");

/* A gnuplot that draws some plots one after the other, each in each format and in a session of its own: starting it
 * takes as long as drawing. */
typedef struct {
    pid_t process;
    ps_plot **plots;
    int count;
} worker;

/* The child: gnuplot in the plots' folder, its words in a log. */
static void run_gnuplot(const char *folder, char *const *words, const char *log, int seconds) {
    if (chdir(folder) != 0) _exit(126);
    int file = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666), none = open("/dev/null", O_RDONLY);
    if (file < 0 || none < 0) _exit(126);
    dup2(none, 0);
    dup2(file, 1);
    dup2(file, 2);
    alarm((unsigned)seconds); /* outlives exec: a script that hangs ends */
    execvp("gnuplot", words);
    _exit(127);
}

/* Names reach gnuplot only inside data files; the words on this command line are fixed. */
static void write_command(const worker *work, int format_count, char (*scripts)[96], const char **words) {
    int count = 0;
    words[count++] = "gnuplot";
    for (int p = 0; p < work->count; p++) {
        snprintf(scripts[p], sizeof scripts[p], "%s.gp", work->plots[p]->id);
        for (int f = 0; f < format_count; f++) {
            if (count > 1)
                words[count++] = "-e", words[count++] = "reset session"; /* takes no other command beside it */
            words[count++] = "-e";
            words[count++] = settings[f];
            words[count++] = scripts[p];
        }
    }
    words[count] = NULL;
}

static ps_status start(const char *folder, int format_count, const char *log, worker *work) {
    char(*scripts)[96] = NULL;
    const char **words = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC((size_t)work->count, &scripts, "the scripts of plots"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)(2 + 5 * work->count * format_count), &words, "gnuplot's command line"));
    write_command(work, format_count, scripts, words);
    fflush(NULL); /* or the child would print our buffers a second time */
    work->process = fork();
    if (work->process == 0) run_gnuplot(folder, (char *const *)words, log, work->count * time_limit_s);
    if (work->process < 0)
        status = ps_fail(PS_ERR_IO, "could not start gnuplot (%s); free some memory or processes", strerror(errno));
cleanup:
    ps_free(scripts);
    ps_free(words);
    return status;
}

/* Its exit status, as a shell would say it. */
static int wait_for(const worker *work) {
    int state = 0;
    pid_t ended;
    do ended = waitpid(work->process, &state, 0);
    while (ended < 0 && errno == EINTR);
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128;
}

/* The first line that names a place in the script and is no warning; NULL where there is none. */
static const char *find_complaint(const char *log) {
    for (const char *line = log, *end; line && *line; line = *end ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        const char *place = strstr(line, "line "), *warning = strstr(line, "warning:");
        if (place && place < end && (!warning || warning > end)) return line;
    }
    return NULL;
}

/* What gnuplot said, for the page. */
static ps_status read_complaint(const char *folder, const char *id, int code, char **note) {
    char *path = NULL, *content = NULL;
    PS_TRY(ps_string_format(&path, "%s/%s.log", folder, id));
    ps_status status = ps_file_exists(path) ? ps_file_read(path, &content, NULL) : PS_OK;
    free(path);
    if (status != PS_OK) return status;
    const char *line = find_complaint(content);
    status = line ? ps_string_format(note, "gnuplot said: %.*s", (int)strcspn(line, "\n"), line)
                  : ps_string_format(note, "gnuplot ended with status %d", code);
    free(content);
    return status;
}

static ps_status is_drawn(const char *folder, const char *id, int format_count, bool *drawn) {
    *drawn = true;
    for (int f = 0; f < format_count; f++) {
        char *picture = NULL;
        uint64_t size = 0;
        PS_TRY(ps_string_format(&picture, "%s/%s.%s", folder, id, formats[f]));
        *drawn = *drawn && ps_file_exists(picture) && ps_file_size(picture, &size) == PS_OK && size > 0;
        free(picture);
    }
    return PS_OK;
}

static ps_status draw_alone(const char *folder, int format_count, ps_plot *plot) {
    worker work = {.plots = &plot, .count = 1};
    char log[96];
    bool drawn;
    snprintf(log, sizeof log, "%s.log", plot->id);
    PS_TRY(start(folder, format_count, log, &work));
    int code = wait_for(&work);
    PS_TRY(is_drawn(folder, plot->id, format_count, &drawn));
    if (code == 0 && drawn) return PS_OK;
    plot->state = PS_PLOT_FAILED;
    return read_complaint(folder, plot->id, code, &plot->note);
}

/* gnuplot stops at the first script that fails, and does not say well which; then each is drawn alone. */
static ps_status finish(const char *folder, int format_count, const worker *work) {
    int code = wait_for(work);
    for (int p = 0; p < work->count; p++) {
        bool drawn;
        PS_TRY(is_drawn(folder, work->plots[p]->id, format_count, &drawn));
        if (code != 0 || !drawn) PS_TRY(draw_alone(folder, format_count, work->plots[p]));
    }
    return PS_OK;
}

static ps_status draw_all(const char *folder, bool with_pdf, ps_plots *plots) {
    worker workers[worker_count] = {0};
    ps_plot **order = NULL;
    int started = 0, used = 0, format_count = with_pdf ? most_formats : most_formats - 1;
    PS_TRY(PS_ALLOC((size_t)plots->count + 1, &order, "the plots to draw"));
    ps_status status = PS_OK;
    for (; started < worker_count && status == PS_OK; started++) {
        worker *work = &workers[started];
        work->plots = order + used;
        for (int i = started; i < plots->count; i += worker_count)
            if (plots->plots[i].state == PS_PLOT_DRAWN) work->plots[work->count++] = &plots->plots[i];
        used += work->count;
        if (work->count > 0) status = start(folder, format_count, "/dev/null", work);
    }
    for (int w = 0; w < started; w++) {
        if (workers[w].process <= 0) continue;
        ps_status ended = finish(folder, format_count, &workers[w]);
        if (status == PS_OK) status = ended;
    }
    ps_free(order);
    return status;
}

static ps_status remove_logs(const char *folder, const ps_plots *plots) {
    for (int i = 0; i < plots->count; i++) {
        if (plots->plots[i].state != PS_PLOT_DRAWN) continue;
        char *path = NULL;
        PS_TRY(ps_string_format(&path, "%s/%s.log", folder, plots->plots[i].id));
        unlink(path);
        free(path);
    }
    return PS_OK;
}

static ps_status prepare_all(const char *share, const char *directory, const char *folder, const char *data,
                             ps_plots *plots) {
    char *tables = NULL;
    ps_plot_source source = {0};
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_file_join(directory, "tables", &tables));
    PS_TRY_CLEANUP(ps_plot_source_open(tables, data, &source));
    PS_TRY_CLEANUP(write_arms(&source));
    PS_TRY_CLEANUP(copy_script(&plots->words, share, folder, "style"));
    PS_TRY_CLEANUP(copy_script(&plots->words, share, folder, "legend"));
    PS_TRY_CLEANUP(copy_script(&plots->words, share, folder, "arm_axis"));
    for (int i = 0; i < plots->count; i++)
        PS_TRY_CLEANUP(prepare_plot(&plots->words, &source, share, folder, &plots->plots[i]));
cleanup:
    ps_plot_source_close(&source);
    free(tables);
    return status;
}

ps_status ps_plots_draw(const char *share, const char *directory, const char *place, bool with_pdf, bool single,
                        ps_plots *plots) {
    char *data = NULL;
    ps_status status = PS_OK;
    *plots = (ps_plots){.gnuplot = ps_plots_has_program("gnuplot")};
    PS_TRY_CLEANUP(ps_file_join(place, "plots", &plots->folder));
    const char *folder = plots->folder;
    PS_TRY_CLEANUP(ps_file_join(folder, "data", &data));
    PS_TRY_CLEANUP(ps_file_make_directories(data));
    PS_TRY_CLEANUP(read_words(directory, &plots->words));
    PS_TRY_CLEANUP(read_list(share, single, plots));
    PS_TRY_CLEANUP(prepare_all(share, directory, folder, data, plots));
    if (plots->gnuplot) {
        PS_TRY_CLEANUP(draw_all(folder, with_pdf, plots));
        PS_TRY_CLEANUP(remove_logs(folder, plots));
    } else {
        for (int i = 0; i < plots->count; i++)
            if (plots->plots[i].state == PS_PLOT_DRAWN) plots->plots[i].state = PS_PLOT_NO_GNUPLOT;
    }
cleanup:
    free(data);
    if (status != PS_OK) ps_plots_clear(plots);
    return status;
}

/* ---- into the report ---- */

static ps_status add_file(ps_file_set *set, const char *folder, const char *part, const char *name) {
    char *made = NULL, *member = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_string_format(&made, "%s/%s%s", folder, part, name));
    PS_TRY_CLEANUP(ps_string_format(&member, "plots/%s%s", part, name));
    if (!ps_file_is_directory(made)) status = ps_file_set_add_made(set, member, made);
cleanup:
    free(made);
    free(member);
    return status;
}

/* part: "" or "data/". */
static ps_status add_folder(ps_file_set *set, const char *folder, const char *part) {
    char *path = NULL;
    struct dirent **entries = NULL;
    PS_TRY(ps_string_format(&path, "%s/%s", folder, part));
    int count = scandir(path, &entries, NULL, alphasort); /* in order, so that manifests are */
    ps_status status =
        count >= 0 ? PS_OK
                   : ps_fail(PS_ERR_IO, "%s: cannot be looked through (%s); free some memory", path, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (status == PS_OK && entries[i]->d_name[0] != '.') status = add_file(set, folder, part, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    free(path);
    return status;
}

ps_status ps_plots_add(const ps_plots *plots, ps_file_set *set) {
    static const char *const endings[] = {"svg", "png", "pdf", "log", "gp"};
    PS_TRY(add_folder(set, plots->folder, ""));
    PS_TRY(add_folder(set, plots->folder, "data/"));
    for (int p = 0; p < plots->count; p++)
        for (size_t e = 0; e < sizeof endings / sizeof *endings; e++) {
            char *member = NULL;
            PS_TRY(ps_string_format(&member, "plots/%s.%s", plots->plots[p].id, endings[e]));
            ps_status status = ps_file_set_remove(set, member);
            free(member);
            PS_TRY(status);
        }
    return PS_OK;
}

void ps_plots_clear(ps_plots *plots) {
    for (int i = 0; i < plots->count; i++) {
        free(plots->plots[i].title);
        free(plots->plots[i].needs);
        free(plots->plots[i].caption);
        free(plots->plots[i].note);
    }
    ps_free(plots->plots);
    free(plots->folder);
    ps_table_clear(&plots->table);
    *plots = (ps_plots){0};
}
