#include "reports/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "reports/content.h"
#include "reports/pictures.h"
#include "reports/plots.h"

static const char report_name[] = "report", report_remedy[] = "run `poolscope report` again";

typedef struct {
    bool html, markdown, json, pdf;
} form_set;

static ps_status parse_formats(const char *formats, form_set *forms) {
    char *text = NULL;
    *forms = (form_set){0};
    PS_TRY(ps_string_copy(formats ? formats : "html", &text));
    ps_status status = PS_OK;
    int count = 0;
    for (char *save = NULL, *word = strtok_r(text, ",", &save); word && status == PS_OK;
         word = strtok_r(NULL, ",", &save), count++) {
        if (strcmp(word, "html") == 0) forms->html = true;
        else if (strcmp(word, "md") == 0) forms->markdown = true;
        else if (strcmp(word, "json") == 0) forms->json = true;
        else if (strcmp(word, "pdf") == 0) forms->pdf = forms->html = true; /* the PDF is the page, printed */
        else status = ps_fail(PS_ERR_USAGE, "the report has no format \"%s\"; choose from html, md, json, pdf", word);
    }
    if (status == PS_OK && count == 0)
        status = ps_fail(PS_ERR_USAGE, "no format was named; choose from html, md, json, pdf");
    free(text);
    return status;
}

/* Runs a program without its output and without a shell; *code is its exit status. */
static ps_status run_silent(const char *const *words, bool wait, int *code) {
    *code = 0;
    fflush(NULL);
    pid_t process = fork();
    if (process < 0)
        return ps_fail(PS_ERR_IO, "could not start %s (%s); free some memory or processes", words[0], strerror(errno));
    if (process == 0) {
        int none = open("/dev/null", O_RDWR);
        dup2(none, 0);
        dup2(none, 1);
        dup2(none, 2);
        if (wait) alarm(120);
        execvp(words[0], (char *const *)words);
        _exit(127);
    }
    int state = 0;
    if (wait) {
        while (waitpid(process, &state, 0) < 0 && errno == EINTR) continue;
        *code = WIFEXITED(state) ? WEXITSTATUS(state) : 128;
    }
    return PS_OK;
}

static const char *find_browser(void) {
    static const char *const names[] = {"chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
                                        "chrome"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (ps_plots_has_program(names[i])) return names[i];
    return NULL;
}

/* Prints page to pdf with a browser that has no window. */
static ps_status print_pdf(const char *browser, const char *page, const char *pdf, const char *profile, bool *made) {
    char *whole = realpath(page, NULL), *address = NULL, *target = NULL, *data = NULL;
    ps_status status = whole ? PS_OK : ps_fail(PS_ERR_IO, "%s: %s; check the path", page, strerror(errno));
    int code = 0;
    if (status == PS_OK) status = ps_string_format(&address, "file://%s", whole);
    if (status == PS_OK) status = ps_string_format(&target, "--print-to-pdf=%s", pdf);
    if (status == PS_OK) status = ps_string_format(&data, "--user-data-dir=%s", profile);
    if (status == PS_OK) {
        /* Chromium refuses its sandbox to root; the page is ours and may load nothing. */
        const char *words[] = {browser, "--headless", "--disable-gpu", "--no-pdf-header-footer",
                               target,  data,         address,         geteuid() == 0 ? "--no-sandbox" : NULL,
                               NULL};
        status = run_silent(words, true, &code);
    }
    *made = status == PS_OK && code == 0 && ps_file_exists(pdf);
    free(whole);
    free(address);
    free(target);
    free(data);
    return status;
}

/* Removes a folder and all in it; only ever called with the temporary one made below. */
static void remove_profile(const char *folder) {
    const char *words[] = {"rm", "-rf", "--", folder, NULL};
    int code;
    (void)run_silent(words, true, &code);
}

static ps_status write_pdf(const char *page, const char *pdf, bool *made) {
    const char *browser = find_browser();
    char profile[] = "/tmp/poolscope-pdf-XXXXXX";
    *made = false;
    if (!browser || !mkdtemp(profile)) return PS_OK;
    ps_status status = print_pdf(browser, page, pdf, profile, made);
    remove_profile(profile);
    return status;
}

/* Who asked for a PDF and gets none is told so by the exit status. */
static ps_status miss_pdf(const ps_report_content *content) {
    return ps_fail(PS_ERR_IO, "%s/report.pdf was not made: %s%s", content->directory,
                   find_browser() ? "the browser could not print the page; run it on the page by hand to see why"
                                  : "that takes chromium (on Debian: apt install chromium)",
                   content->plots.gnuplot ? "; plots/ holds every plot as PDF" : "");
}

typedef ps_status (*form_writer)(const ps_report_content *content, const char *path);

/* A report under way: made in the workshop, then put in place as one. */
typedef struct {
    ps_report_content *content;
    const form_set *forms;
    const ps_report_options *options;
    ps_file_set *set;
    const char *workshop;
    bool pdf_made;
} report;

static ps_status write_form(const report *r, const char *name, form_writer write) {
    char *path = NULL;
    PS_TRY(ps_file_join(r->workshop, name, &path));
    ps_status status = write(r->content, path);
    if (status == PS_OK) status = ps_file_set_add_made(r->set, name, path);
    if (status == PS_OK) ps_file_set_is_page(r->set);
    free(path);
    return status;
}

static void say_missing(const ps_plots *plots, bool quiet) {
    for (int i = 0; i < plots->count; i++)
        if (plots->plots[i].state == PS_PLOT_FAILED)
            fprintf(stderr, "note: the plot %s could not be drawn: %s\n", plots->plots[i].id,
                    plots->plots[i].note ? plots->plots[i].note : "");
    if (!plots->gnuplot && !quiet)
        fprintf(
            stderr,
            "note: gnuplot is missing, so the report has no plots; install it (on Debian: apt install gnuplot-nox) and "
            "run `poolscope report` again.\n");
}

static ps_status open_page(const char *page) {
    const char *words[] = {"xdg-open", page, NULL};
    int code = 0;
    if (!ps_plots_has_program(words[0])) words[0] = "open";
    if (ps_plots_has_program(words[0])) return run_silent(words, false, &code);
    fprintf(stderr, "note: no program to open pages was found; open %s in a browser.\n", page);
    return PS_OK;
}

/* The page must be there to be printed; where that fails, no PDF of an earlier report stays for this one. */
static ps_status add_pdf(report *r) {
    char *page = NULL, *pdf = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_file_join(r->workshop, "report.html", &page));
    PS_TRY_CLEANUP(ps_file_join(r->workshop, "report.pdf", &pdf));
    PS_TRY_CLEANUP(write_pdf(page, pdf, &r->pdf_made));
    status = r->pdf_made ? ps_file_set_add_made(r->set, "report.pdf", pdf) : ps_file_set_remove(r->set, "report.pdf");
    if (status == PS_OK && r->pdf_made) ps_file_set_is_page(r->set);
cleanup:
    free(page);
    free(pdf);
    return status;
}

static ps_status make(report *r) {
    const form_set *forms = r->forms;
    PS_TRY(ps_file_set_workshop(r->set, &r->workshop));
    PS_TRY(ps_plots_draw(r->content->share, r->content->directory, r->workshop, forms->pdf, r->content->single,
                         &r->content->plots));
    say_missing(&r->content->plots, r->options->quiet);
    PS_TRY(ps_report_pictures_take(r->content));
    if (forms->html) PS_TRY(write_form(r, "report.html", ps_report_write_html));
    if (forms->markdown) PS_TRY(write_form(r, "report.md", ps_report_write_markdown));
    if (forms->json) PS_TRY(write_form(r, "report.json", ps_report_write_json));
    if (forms->pdf) PS_TRY(add_pdf(r));
    return ps_plots_add(&r->content->plots, r->set);
}

/* Pages in other forms stay while they are of the same comparison and the same plots. */
static ps_status settle_others(report *r, bool known) {
    ps_status status = ps_file_set_check(r->content->directory, report_name, report_remedy, NULL);
    if (status != PS_OK && status != PS_ERR_INPUT) return status;
    if (known) PS_TRY(ps_file_set_add_source(r->set, PS_COMPARISON_MANIFEST));
    return status == PS_OK ? ps_file_set_keep_others(r->set) : ps_file_set_remove_others(r->set);
}

static void print_path(const report *r, bool made, const char *name) {
    if (made && !r->options->quiet) printf("%s/%s\n", r->content->directory, name);
}

static ps_status finish(report *r) {
    const form_set *forms = r->forms;
    print_path(r, forms->html, "report.html");
    print_path(r, forms->markdown, "report.md");
    print_path(r, forms->json, "report.json");
    print_path(r, r->pdf_made, "report.pdf");
    if (forms->pdf && !r->pdf_made) return miss_pdf(r->content);
    if (!r->options->open || !forms->html) return PS_OK;
    char *page = NULL;
    PS_TRY(ps_file_join(r->content->directory, "report.html", &page));
    ps_status status = open_page(page);
    free(page);
    return status;
}

static ps_status write_report(report *r) {
    bool known = false;
    PS_TRY(ps_report_content_check(r->content->directory, r->options->quiet, &known));
    PS_TRY(ps_report_content_read(r->content->directory, r->content));
    ps_status status = make(r);
    if (status == PS_OK) status = settle_others(r, known);
    if (status == PS_OK) {
        status = ps_file_set_commit(r->set);
        r->set = NULL;
    }
    if (status == PS_OK) status = finish(r);
    return status;
}

ps_status ps_report_ready(void) {
    char *share = NULL;
    PS_TRY(ps_plots_find_share(&share));
    free(share);
    return PS_OK;
}

ps_status ps_report_write(const char *directory, const ps_report_options *options) {
    form_set forms;
    ps_report_content content = {.directory = directory};
    report r = {.content = &content, .forms = &forms, .options = options};
    PS_TRY(parse_formats(options->formats, &forms));
    PS_TRY(ps_report_content_find(directory));
    PS_TRY(ps_file_set_begin(directory, report_name, report_remedy, &r.set));
    ps_status status = write_report(&r);
    ps_file_set_discard(r.set);
    ps_report_content_clear(&content);
    return status;
}

void ps_report_note_older(const char *directory) {
    static const char *const pages[] = {"report.html", "report.md", "report.pdf", "report.json"};
    bool known = false, is_current = ps_file_set_check(directory, report_name, report_remedy, &known) == PS_OK && known;
    for (size_t i = 0; i < sizeof pages / sizeof *pages && !is_current; i++) {
        char *page = NULL;
        bool there = ps_file_join(directory, pages[i], &page) == PS_OK && ps_file_exists(page);
        if (there)
            fprintf(stderr,
                    "note: %s shows an earlier comparison than the one that is there now; `poolscope report %s` renews "
                    "it\n",
                    page, directory);
        free(page);
        if (there) return;
    }
}
