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

/* Who asked for a PDF and gets none is told so by the exit status; a PDF of an earlier report never stays for this
 * one. */
static ps_status write_pdf(const ps_plots *plots, const char *page, const char *pdf, bool quiet) {
    const char *browser = find_browser();
    char profile[] = "/tmp/poolscope-pdf-XXXXXX";
    bool made = false;
    if (unlink(pdf) != 0 && errno != ENOENT)
        return ps_fail(PS_ERR_IO, "%s: could not be replaced (%s); remove it and run again", pdf, strerror(errno));
    if (browser && mkdtemp(profile)) {
        ps_status status = print_pdf(browser, page, pdf, profile, &made);
        remove_profile(profile);
        PS_TRY(status);
    }
    if (!made)
        return ps_fail(PS_ERR_IO, "%s was not made: %s%s", pdf,
                       browser ? "the browser could not print the page; run it on the page by hand to see why"
                               : "that takes chromium (on Debian: apt install chromium)",
                       plots->gnuplot ? "; plots/ holds every plot as PDF" : "");
    if (!quiet) printf("%s\n", pdf);
    return PS_OK;
}

typedef ps_status (*form_writer)(const ps_report_content *content, const char *path);

static ps_status write_form(const ps_report_content *content, const char *name, form_writer write, bool quiet) {
    char *path = NULL;
    PS_TRY(ps_file_join(content->directory, name, &path));
    ps_status status = write(content, path);
    if (status == PS_OK && !quiet) printf("%s\n", path);
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

static ps_status write_pages(ps_report_content *content, const form_set *forms, const ps_report_options *options) {
    char *page = NULL, *pdf = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_file_join(content->directory, "report.html", &page));
    PS_TRY_CLEANUP(ps_file_join(content->directory, "report.pdf", &pdf));
    PS_TRY_CLEANUP(ps_plots_draw(content->share, content->directory, forms->pdf, &content->plots));
    say_missing(&content->plots, options->quiet);
    if (forms->html) PS_TRY_CLEANUP(write_form(content, "report.html", ps_report_write_html, options->quiet));
    if (forms->markdown) PS_TRY_CLEANUP(write_form(content, "report.md", ps_report_write_markdown, options->quiet));
    if (forms->json) PS_TRY_CLEANUP(write_form(content, "report.json", ps_report_write_json, options->quiet));
    if (forms->pdf) PS_TRY_CLEANUP(write_pdf(&content->plots, page, pdf, options->quiet));
    if (options->open && forms->html) status = open_page(page);
cleanup:
    free(page);
    free(pdf);
    return status;
}

ps_status ps_report_write(const char *directory, const ps_report_options *options) {
    form_set forms;
    ps_report_content content;
    PS_TRY(parse_formats(options->formats, &forms));
    PS_TRY(ps_report_content_read(directory, &content));
    ps_status status = write_pages(&content, &forms, options);
    ps_report_content_clear(&content);
    return status;
}
