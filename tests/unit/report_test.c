/* The reports, on tables made by hand. Called with arguments it is a tool for the scripts of tests/cli:
 *   report_test make DIR ARMS SEEDS LAYERS CHANNELS WINDOWS HOSTILE      writes tables and a verdict
 *   report_test write DIR FORMATS                                       makes the report */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "reports/effect.h"
#include "reports/content.h"
#include "reports/escape.h"
#include "reports/plot_data.h"
#include "reports/report.h"
#include "reports/svg.h"
#include "tests/lib/folder.h"
#include "tests/lib/report_tables.h"

/* A path in the test's folder; good until the next call but three. */
static char *in_folder(const char *name) {
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text) {
    assert_int_equal(ps_file_write(in_folder(name), text, strlen(text)), PS_OK);
}

static char *read_text(const char *path) {
    char *content = NULL;
    assert_int_equal(ps_file_read(path, &content, NULL), PS_OK);
    return content;
}

static int count(const char *text, const char *word) {
    int found = 0;
    for (; (text = strstr(text, word)) != NULL; text++) found++;
    return found;
}

/* ---- tables ---- */

static void test_table(void **state) {
    (void)state;
    ps_table table;
    write_text("t.tsv", "arm\tvalue\r\nbase\t1.5\nps2\tNA\nps2\tNaN\nps2\t-Inf\nps2\t\nps2\t1e3");
    assert_int_equal(ps_table_read(in_folder("t.tsv"), &table), PS_OK);
    int value = ps_table_column(&table, "value");
    assert_int_equal(table.rows, 6);
    assert_int_equal(value, 1);
    assert_string_equal(ps_table_text(&table, 1, 0), "ps2");
    assert_true(ps_table_number(&table, 0, value) == 1.5);
    assert_true(ps_table_missing(&table, 1, value) && isnan(ps_table_number(&table, 1, value)));
    assert_false(ps_table_missing(&table, 2, value));
    assert_true(isnan(ps_table_number(&table, 2, value)));
    assert_true(ps_table_number(&table, 3, value) == -INFINITY);
    assert_true(ps_table_missing(&table, 4, value));
    assert_int_equal(ps_table_find(&table, 0, 0, "ps2"), 1);
    assert_int_equal(ps_table_find(&table, 0, 0, "no"), -1);
    assert_int_equal(ps_table_column(&table, "no"), -1);
    assert_string_equal(ps_table_text(&table, 0, -1), "NA");
    ps_table_clear(&table);
}

static void test_table_faults(void **state) {
    (void)state;
    ps_table table;
    assert_int_equal(ps_table_read(in_folder("absent.tsv"), &table), PS_OK);
    assert_int_equal(table.columns, 0);
    write_text("empty.tsv", "");
    assert_int_equal(ps_table_read(in_folder("empty.tsv"), &table), PS_OK);
    assert_int_equal(table.rows, 0);
    write_text("ragged.tsv", "a\tb\n1\t2\n1\t2\t3\n");
    assert_int_equal(ps_table_read(in_folder("ragged.tsv"), &table), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "ragged.tsv:3"));
    write_text("blank.tsv", "a\tb\n\n1\t2\n");
    assert_int_equal(ps_table_read(in_folder("blank.tsv"), &table), PS_ERR_INPUT);
    assert_int_equal(ps_table_read(folder, &table), PS_ERR_INPUT);
}

static void check_damage(const char *name, const char *text, const char *where) {
    ps_table table;
    write_text(name, text);
    ps_status status = ps_table_read(in_folder(name), &table);
    if (where == NULL) {
        assert_int_equal(status, PS_OK);
        ps_table_clear(&table);
        return;
    }
    assert_int_equal(status, PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), where));
}

/* A damaged number is an error at its place; text that looks like one is none. */
static void test_table_damaged_numbers(void **state) {
    (void)state;
    check_damage("x.tsv", "arm\tloss\n1\t0.5\nb\tx.5\n", "x.tsv:3: \"x.5\" in column loss");
    check_damage("x.tsv", "arm\tloss\n1\t2x5\nb\t0.5\n", "x.tsv:2");
    check_damage("x.tsv", "loss\n0x1\n1\n", "x.tsv:2");
    check_damage("x.tsv", "loss\n1.2.3\n1\n", "x.tsv:2");
    check_damage("x.tsv", "loss\nnan\n1\n", "x.tsv:2");
    check_damage("x.tsv", "id\tvalue\nP1\t1\nP2\tx\n", "x.tsv:3");
    check_damage("x.tsv", "key\tvalue\nversion\t1\nquestion\tx\n", NULL);
    check_damage("x.tsv", "arm\tlayer\n1\t2\nb\tconv\n", NULL);
    check_damage("x.tsv", "loss\nNA\nNaN\nInf\n-Inf\n\n-1.5e-3\n", NULL);
    check_damage("x.tsv", "later\nsome\ntext\n", NULL);
}

/* ---- escapes ---- */

static void check_escape(void (*escape)(FILE *, const char *), const char *text, const char *expected) {
    char *out = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&out, &size);
    escape(stream, text);
    fclose(stream);
    assert_string_equal(out, expected);
    free(out);
}

static void test_escape(void **state) {
    (void)state;
    check_escape(ps_escape_html, "<a href=\"x\" b='y'>&amp;", "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;");
    check_escape(ps_escape_html, "caf\xC3\xA9 \xF0\x9F\x98\x80", "caf\xC3\xA9 \xF0\x9F\x98\x80");
    /* Lone and overlong bytes, surrogates, controls and marks that turn text round are all shown as the replacement
     * character. */
    check_escape(ps_escape_html, "\xFF|\xC0\xAF|\xED\xA0\x80|\x01|\x7F|\xE2\x80\xAE|\xE2\x82",
                 "\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|\xEF\xBF\xBD|\xEF\xBF\xBD|"
                 "\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD");
    check_escape(ps_escape_markdown, "a|b`c`[d](e)*f* <i> it's @me #1",
                 "a\\|b\\`c\\`\\[d\\](e)\\*f\\* &lt;i&gt; it's &#64;me &#35;1");
    check_escape(ps_escape_plot, "say \"x\"\ty\n", "say 'x'\xEF\xBF\xBDy\xEF\xBF\xBD");
    check_escape(ps_escape_plot, "", "(no name)");
    check_escape(ps_escape_plot, "0123456789012345678901234567890123456789012345678",
                 "012345678901234567890123456789\xE2\x80\xA6"
                 "23456789012345678");
    char text[PS_ESCAPE_NUMBER];
    assert_string_equal(ps_escape_percent(text, -0.1234, 1), "-12.3");
    assert_string_equal(ps_escape_percent(text, 0.5, 1), "+50.0");
    assert_string_equal(ps_escape_percent(text, 0, 0), "0");
    assert_string_equal(ps_escape_number(text, NAN), "\xE2\x80\x93");
    assert_string_equal(ps_escape_number(text, -INFINITY), "-\xE2\x88\x9E");
}

static void test_seeds(void **state) {
    (void)state;
    static const char *const seeds[][2] = {{"", ""},
                                           {"7", "7"},
                                           {"1,2", "1, 2"},
                                           {"11,12,13,14", "11 to 14"},
                                           {"1,2,3,5,9,10", "1 to 3, 5, 9, 10"},
                                           {"3,2,1", "3, 2, 1"},
                                           {"<b>,1", "<b>,1"},
                                           {"1,,3,", "1, 0, 3"}};
    char text[64];
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        ps_report_write_seeds(seeds[i][0], text, sizeof text);
        assert_string_equal(text, seeds[i][1]);
    }
    ps_report_write_seeds("1000,3000,5000", text, 8);
    assert_string_equal(text, "1000, 3");
}

/* ---- data of plots ---- */

/* Runs a script's requests on a small table and returns a data set. */
static char *query(const char *request, const char *result) {
    ps_plot_source source;
    char *tables = in_folder("q/tables"), *data = in_folder("q/data");
    assert_int_equal(ps_file_make_directories(tables), PS_OK);
    assert_int_equal(ps_file_make_directories(data), PS_OK);
    write_text("q/tables/arms.tsv", "arm\tindex\nbase\t0\nmute\t1\nps2\t2\n");
    write_text("q/tables/runs.tsv", "arm\tseed\nbase\t0\nbase\t1\nps2\t0\nps2\t1\n");
    write_text(
        "q/tables/t.tsv",
        "arm\tseed\tstep\tlayer\tx\tkind\nbase\t0\t10\ta\t1\tu\nbase\t0\t20\tb\tNA\tv\nbase\t1\t10\ta\t3\tu\nbase\t1"
        "\t30\tb\tInf\tv\n"
        "ps2\t0\t10\ta\t5\tu\nps2\t0\t20\t<b>\t7\tv\nstray\t0\t10\ta\t9\tu\n");
    write_text("q/s.gp", request);
    assert_int_equal(ps_plot_source_open(in_folder("q/tables"), in_folder("q/data"), &source), PS_OK);
    ps_status status = ps_plot_data_write(&source, "s", in_folder("q/s.gp"));
    ps_plot_source_close(&source);
    if (!result) {
        assert_int_equal(status, PS_ERR_INPUT);
        return NULL;
    }
    assert_int_equal(status, PS_OK);
    char name[64];
    snprintf(name, sizeof name, "q/data/s.%s.tsv", result);
    return read_text(in_folder(name));
}

static void check_query(const char *request, const char *result, const char *expected) {
    char *found = query(request, result);
    assert_string_equal(found, expected);
    free(found);
}

static void test_data(void **state) {
    (void)state;
    check_query("# a comment\n#data d from t split arm pick step,x,arm#\nplot 1\n", "d",
                "# step\tx\tarm#\n10\t1\t1\n20\tNA\t1\n10\t3\t1\n30\tNA\t1\n\n\nNA\tNA\tNA\n\n\n10\t5\t3\n20\t7\t3\n");
    check_query(
        "#data d from t where arm=base split arm by step pick step,mean(x),min(x),max(x),count(x)", "d",
        "# "
        "step\tmean(x)\tmin(x)\tmax(x)\tcount(x)"
        "\n10\t2\t1\t3\t2\n20\tNA\tNA\tNA\t0\n30\tNA\tNA\tNA\t0\n\n\nNA\tNA\tNA\tNA\tNA\n\n\nNA\tNA\tNA\tNA\tNA\n");
    check_query("#data d from t where step=@last split arm,seed pick step,text(layer)", "d",
                "# step\ttext(layer)\n20\tb\n\n\n30\tb\n\n\n20\t<b>\n\n\n10\ta\n");
    check_query("#data d from t where arm=ps2 where kind=u,v pick step,x steps", "d",
                "# step\tx\n10\t5\n20\t5\n20\t7\n");
    check_query("#data d from t where arm=base split arm thin 2 pick x,text(kind)", "d",
                "# x\ttext(kind)\n1\tu\n3\tu\n\n\nNA\tNA\n\n\nNA\tNA\n");
    check_query("#data d from t where nocolumn=1 split arm pick x", "d", "# x\nNA\n\n\nNA\n\n\nNA\n");
    check_query("#data d from absent split arm pick x", "d", "# x\nNA\n\n\nNA\n\n\nNA\n");
    check_query("#data d from t where step=10 by seed pick seed,mean(100*x/step),max(-2*x),x/step", "d",
                "# seed\tmean(100*x/step)\tmax(-2*x)\tx/step\n0\t50\t-2\t0.1\n1\t30\t-6\t0.3\n");
    check_query("#data d from t where arm=ps2 pick 0.5*x,x/nocolumn,nocolumn/x", "d",
                "# 0.5*x\tx/nocolumn\tnocolumn/x\n2.5\tNA\tNA\n3.5\tNA\tNA\n");
    check_query("#data p pivot t columns kind value #", "p",
                "row\tarm\tu\tv\n0\tbase\t1\t1\n1\tmute\t0\t0\n2\tps2\t0.5\t0.5\n");
    check_query("#data p pivot t columns kind value x", "p",
                "row\tarm\tu\tv\n0\tbase\t2\t0\n1\tmute\t0\t0\n2\tps2\t2.5\t3.5\n");
}

static void test_data_grid(void **state) {
    (void)state;
    const char *request = "#data g grid t split arm x step y seed value x label layer rows 9 columns 9";
    check_query(
        request, "g",
        "# column\trow\tvalue\n0\t0\t1\n1\t0\tNaN\n2\t0\tNaN\n0\t1\t3\n1\t1\tNaN\n2\t1\tNaN\n\n\n"
        "0\t0\tNaN\n1\t0\tNaN\n2\t0\tNaN\n0\t1\tNaN\n1\t1\tNaN\n2\t1\tNaN\n\n\n0\t0\t5\n1\t0\t7\n2\t0\tNaN\n0\t1\tNa"
        "N\n1\t1\tNaN\n2\t1\tNaN\n");
    check_query(request, "g.x", "0\t10\n1\t20\n2\t30\n");
    check_query(request, "g.size", "# columns\trows\tlargest\n3\t2\t7\n");
    check_query("#data g grid t split arm x step y seed value nocolumn rows 1 columns 1", "g.size",
                "# columns\trows\tlargest\n1\t1\tNA\n");
    check_query("#data g grid t split arm x step y seed value 10*x rows 1 columns 1", "g.size",
                "# columns\trows\tlargest\n1\t1\t60\n");
    check_query("#data g grid t split arm x step y seed value x rows 1 columns 1", "g",
                "# column\trow\tvalue\n0\t0\t2\n\n\n0\t0\tNaN\n\n\n0\t0\t6\n");
}

static void test_data_faults(void **state) {
    (void)state;
    query("#data d from t", NULL);
    assert_non_null(strstr(ps_status_message(), "s.gp:1"));
    query("x\n#data d from t split arm pick nonsense(x)", NULL);
    query("#data d from t wher a=b pick x", NULL);
    query("#data d from t pick 2x*x", NULL);
    query("#data g grid t x step y seed value 2x*x rows 3 columns 3", NULL);
    query("#data d", NULL);
    query("#data g grid t x step y seed value x rows 0 columns 3", NULL);
}

static void test_recorded(void **state) {
    (void)state;
    ps_plot_source source;
    bool recorded;
    char *missing;
    free(query("#data d from t pick x", "d"));
    write_text("q/tables/na.tsv", "a\tb\nNA\t1\n");
    assert_int_equal(ps_plot_source_open(in_folder("q/tables"), in_folder("q/data"), &source), PS_OK);
    assert_int_equal(ps_plot_data_recorded(&source, "t:x,step;na:b", &recorded, &missing), PS_OK);
    assert_true(recorded && missing == NULL);
    static const char *const absent[][2] = {{"t:x;na:a", "tables/na.tsv, column a"},
                                            {"t:no", "tables/t.tsv, column no"},
                                            {"gone:x", "tables/gone.tsv, column x"}};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ps_plot_data_recorded(&source, absent[i][0], &recorded, &missing), PS_OK);
        assert_false(recorded);
        assert_string_equal(missing, absent[i][1]);
        free(missing);
    }
    ps_plot_source_close(&source);
}

/* ---- SVG ---- */

static char *inline_svg(const char *body, bool *allowed) {
    char *out = NULL, text[2048];
    size_t size = 0;
    snprintf(text, sizeof text,
             "<?xml version=\"1.0\"?>\n<svg viewBox=\"0 0 10 20\" xmlns=\"http://www.w3.org/2000/svg\">%s</svg>", body);
    write_text("x.svg", text);
    FILE *stream = open_memstream(&out, &size);
    assert_int_equal(ps_svg_inline(stream, in_folder("x.svg"), "p7", "a b", allowed), PS_OK);
    fclose(stream);
    return out;
}

static void test_svg(void **state) {
    (void)state;
    bool allowed;
    char *out = inline_svg(
        "<title>T</title><g id=\"g\"><title>hover</title><path stroke='rgb(  0, 114, 178)' fill = 'rgb(38,38,38)' "
        "d='M0,0'/>"
        "<use xlink:href='#g' color='rgb(1,2,3)'/><text>rgb(38,38,38) &lt;b&gt;</text></g>",
        &allowed);
    assert_true(allowed);
    assert_string_equal(
        out,
        "<svg role=\"img\" aria-labelledby=\"a b\" viewBox=\"0 0 10 20\" xmlns:xlink=\"http://www.w3.org/1999/xlink\">"
        "<g id=\"p7-g\"><path stroke='var(--arm2)' fill = 'var(--ink)' d='M0,0'/><use xlink:href='#p7-g' "
        "color='rgb(1,2,3)'/>"
        "<text>rgb(38,38,38) &lt;b&gt;</text></g></svg>\n");
    free(out);
}

static void test_svg_hostile(void **state) {
    (void)state;
    static const char *const bodies[] = {"<script>alert(1)</script>",
                                         "<g onload=\"alert(1)\"/>",
                                         "<use xlink:href='http://x/y.svg#a'/>",
                                         "<image xlink:href=\"file:///etc/passwd\"/>",
                                         "<foreignObject/>",
                                         "<path style=\"fill:url(http://x)\"/>",
                                         "<g id=x/>",
                                         "<g id=\"x/>",
                                         "<!-- -->",
                                         "<![CDATA[x]]>",
                                         "<a xlink:href=\"javascript:alert(1)\"/>",
                                         "<image xlink:href=\"data:text/html;base64,AAAA\"/>",
                                         "<g <script/>"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        bool allowed = true;
        char *out = inline_svg(bodies[i], &allowed);
        if (allowed || *out) fail_msg("let through: %s", bodies[i]);
        free(out);
    }
}

/* ---- the whole report ---- */

static void make_tables(const char *name, report_tables spec) {
    assert_true(report_tables_write(in_folder(name), &spec));
}

static char *write_report(const char *name, const char *formats, const char *file) {
    ps_report_options options = {.formats = formats, .quiet = true};
    ps_status status = ps_report_write(in_folder(name), &options);
    if (status != PS_OK) fail_msg("%s", ps_status_message());
    char path[128];
    snprintf(path, sizeof path, "%s/%s", name, file);
    return read_text(in_folder(path));
}

/* Nothing on the page may point outside it or be left of a name that tried to be markup. */
static void check_closed(const char *page) {
    static const char *const words[] = {"http://",       "https://", "src=\"",      "@import",
                                        "<script>alert", "<img",     "<svg onload", "javascript:"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        int found = count(page, words[i]);
        if (strcmp(words[i], "http://") == 0) found -= count(page, "http://www.w3.org/");
        if (found) fail_msg("the page holds %s", words[i]);
    }
    assert_int_equal(count(page, "<script>"), 1);
    assert_int_equal(count(page, "</script>"), 1);
}

static void check_sections(const char *page) {
    static const char *const words[] = {"class=\"answer\"",
                                        "id=\"h-predictions\"",
                                        "Cost of recording",
                                        "Where and when nodes die",
                                        "Do dead nodes come back?",
                                        "Inertia and gradients",
                                        "Weights and the Pool Skip path",
                                        "Causes",
                                        "Overlap, rank and curvature",
                                        "What the pool path adds",
                                        "Would other choices change what came out?",
                                        "Learning",
                                        "How sure is this?",
                                        "id=\"h-nodes\"",
                                        "Content-Security-Policy"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strstr(page, words[i])) fail_msg("the page lacks %s", words[i]);
    assert_null(strstr(page, "never_found")); /* a cause that no node has */
    if (strstr(page, "<td>zero_incoming</td>") != NULL)
        assert_non_null(strstr(page,
                               "<dt>zero_incoming</dt><dd>Its norm is &lt;b&gt;0&lt;/b&gt;. <em>What may help:</em> "
                               "Draw it anew.</dd>"));
    assert_null(strstr(page, "could not be drawn"));
    assert_null(strstr(page, "not expected of gnuplot"));
}

/* How each prediction was tested, of those tested and of those not testable. */
static void check_design(const char *page) {
    static const char *const words[] = {
        "<b>Statistic:</b> median</p>", "<b>Holds when the median is:</b> below -0.05</p>",
        "<b>Numbers fixed beforehand:</b> windows_ahead = 2</p>", "<b>Needed quantities:</b> zeros</p>"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (count(page, words[i]) != 8) fail_msg("the page has %d of 8 times: %s", count(page, words[i]), words[i]);
    assert_int_equal(count(page, "<b>Not recorded:</b> zeros</p>"), 2);
}

static int count_plots(void) {
    char *share = NULL;
    ps_table list;
    assert_int_equal(ps_plots_find_share(&share), PS_OK);
    assert_int_equal(ps_table_read_named(share, "plot_list", &list), PS_OK);
    int plots = list.rows;
    ps_table_clear(&list);
    free(share);
    return plots;
}

static void test_page(void **state) {
    (void)state;
    make_tables("page", (report_tables){.arms = 3, .seeds = 3, .layers = 4, .channels = 6, .windows = 8});
    char *page = write_report("page", "html,md,json", "report.html");
    check_closed(page);
    check_sections(page);
    check_design(page);
    if (ps_plots_has_program("gnuplot")) {
        assert_int_equal(count(page, "<figure id="), count_plots());
        assert_int_equal(count(page, "class=\"absent\""), 0);
        assert_int_equal(count(page, "<svg role=\"img\" aria-labelledby="), count_plots());
        assert_true(ps_file_exists(in_folder("page/plots/dead_time.png")));
        assert_true(ps_file_exists(in_folder("page/plots/dead_time.gp")));
        assert_true(ps_file_exists(in_folder("page/plots/data/dead_time.seeds.tsv")));
    }
    free(page);
    char *markdown = read_text(in_folder("page/report.md"));
    assert_non_null(strstr(
        markdown, "| W1 Prediction 1, by 5 points | ps2 against baseline | shown | lower by more than 5 points |"));
    free(markdown);
}

/* The part of the page from one text to the next after it; the caller frees. */
static char *between(const char *page, const char *from, const char *to) {
    const char *start = strstr(page, from), *end = start != NULL ? strstr(start + strlen(from), to) : NULL;
    if (end == NULL) fail_msg("the page lacks %s .. %s", from, to);
    return strndup(start, (size_t)(end - start));
}

/* A measure that no pair of runs has is named below the table, once, and is no row of dashes in it. */
static void test_not_compared(void **state) {
    (void)state;
    make_tables("compared", (report_tables){.arms = 3, .seeds = 2, .layers = 1, .channels = 1, .windows = 2});
    char *page = write_report("compared", "html", "report.html");
    char *section = between(page, "<section aria-labelledby=\"h-comparison\">", "</section>");
    assert_non_null(strstr(section, "<p class=\"small\">Not measured in these runs: Share never alive.</p>"));
    assert_int_equal(count(section, "Share never alive"), 1);
    assert_int_equal(count(section, "<tbody>"), 3);
    free(section);
    free(page);
}

/* The first screen has the primary question, its verdict with the margin, the picture, collapses, who did not learn and
 * what to do next; its terms lead to their meanings. */
static void test_first_screen(void **state) {
    static const char *const words[] = {"Prediction 1, by 5 points (W1)",
                                        "Whose claim: the paper (figure 1)",
                                        "<span class=\"badge shown\">shown</span>",
                                        "ps2 against baseline: <b>lower by more than 5 points</b>",
                                        "href=\"#term-median-pair\"",
                                        "href=\"#term-bounds\"",
                                        "href=\"#term-prediction-margin\"",
                                        "both with 93.8&nbsp;%",
                                        "<svg class=\"effect\"",
                                        "Secondary question 1: Prediction 2, by 5 points (W2)",
                                        "ps2: 1 of 3 runs (95&nbsp;% bound",
                                        "<div class=\"flagged\">",
                                        "Run <code>poolscope plan-seeds</code>."};
    (void)state;
    make_tables("first", (report_tables){.arms = 3, .seeds = 3, .layers = 2, .channels = 3, .windows = 3});
    char *page = write_report("first", "html", "report.html");
    char *screen = between(page, "<section class=\"card first\"", "</section>");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(screen, words[i]) == NULL) fail_msg("the first screen lacks %s", words[i]);
    char *glance = between(page, "<div class=\"card scroll glance\"", "</table>");
    /* The arm with a run that did not learn is marked beside both populations of dead nodes. */
    assert_int_equal(count(glance, "class=\"flag\""), 3);
    assert_non_null(strstr(glance, "Dead, own gate, at the end"));
    assert_non_null(strstr(glance, "Dead, all gates, at the end"));
    free(glance);
    free(screen);
    free(page);
}

static char *picture_of(const char *part) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    cJSON *prediction = cJSON_Parse("{\"direction\":\"greater\",\"level\":false}"), *parsed = cJSON_Parse(part);
    assert_non_null(stream);
    assert_non_null(parsed);
    ps_effect_picture(stream, prediction, parsed, true);
    fclose(stream);
    cJSON_Delete(parsed);
    cJSON_Delete(prediction);
    return text;
}

/* Where every seed lies far on one side, 0 and the margins crowd at the edge: their words stay apart and inside. An
 * infinite value is hollow, an infinite bound goes to the edge, and a value that is none has no dot. */
static void test_picture_of_an_effect(void **state) {
    (void)state;
    char *text = picture_of(
        "{\"unit\":\"share\",\"margin\":0.02,\"estimate\":-0.3,\"low\":-0.5,\"high\":-0.2,\"coverage\":0.93,"
        "\"values\":[{\"value\":-0.5},{\"value\":-0.3},{\"value\":-0.2}]}");
    assert_non_null(strstr(text, "y=\"113\" text-anchor=\"end\">-2 points</text>"));
    assert_non_null(strstr(text, "x=\"400.0\" y=\"127\" text-anchor=\"end\">+2 points</text>"));
    assert_int_equal(count(text, "<circle"), 3);
    free(text);
    text = picture_of(
        "{\"unit\":\"log ratio\",\"margin\":0.1,\"estimate\":1,\"low\":0.5,\"high\":\"Infinity\",\"coverage\":0.93,"
        "\"values\":[{\"value\":0.5},{\"value\":\"Infinity\"},{\"value\":\"NaN\"},{\"value\":null}]}");
    assert_int_equal(count(text, "<circle"), 2);
    assert_int_equal(count(text, "class=\"diverged\""), 1);
    assert_non_null(strstr(text, "x2=\"400.0\" y1=\"80\" y2=\"80\""));
    assert_non_null(strstr(text, "bounds ratio 1.65 to \xE2\x88\x9E, margin ratio 1.11"));
    free(text);
}

/* What was not registered has none of the verdict's words, and every part is a row of its own. */
static void test_exploratory(void **state) {
    (void)state;
    make_tables("order", (report_tables){.arms = 3, .seeds = 3, .layers = 2, .channels = 3, .windows = 3});
    char *page = write_report("order", "html", "report.html");
    char *registered = between(page, "aria-label=\"Registered questions\"", "</table>");
    char *exploratory = between(page, "aria-label=\"Exploratory\"", "</table>");
    assert_true(strstr(page, "aria-label=\"Registered questions\"") < strstr(page, "aria-label=\"Exploratory\""));
    assert_int_equal(count(registered, "class=\"badge "), 2);
    assert_int_equal(count(exploratory, "class=\"badge "), 0);
    assert_null(strstr(exploratory, "lower by more than"));
    assert_int_equal(count(registered, "<tr"), 1 + 3);                /* W1 has two parts, W2 one */
    assert_int_equal(count(exploratory, "<tr"), 1 + 2 + 2 + 1 + 2);   /* W3, W5, W6, W7; W4 and W8 cannot be tested */
    assert_int_equal(count(exploratory, "the paper (figure"), 2 * 4); /* in the row, and in its fold */
    free(exploratory);
    free(registered);
    free(page);
}

/* The page of two nodes with these lives. */
static char *page_of_lives(const char *first, const char *second) {
    char text[1024];
    make_tables("lives", (report_tables){.arms = 1, .seeds = 1, .layers = 1, .channels = 1, .windows = 4});
    snprintf(text, sizeof text,
             "arm\tseed\tnode\tstate\tlifeline\tdeaths\nbaseline\t0\tone:0\tdead\t%s\t1\n"
             "baseline\t0\ttwo:0\tdead\t%s\t1\n",
             first, second);
    write_text("lives/tables/nodes.tsv", text);
    return write_report("lives", "html", "report.html");
}

/* A life line is drawn, and said in words to those who hear the page; every state has its own of both. */
static void test_life_lines(void **state) {
    (void)state;
    char *page = page_of_lives("AAneD??", "ADADADADAD");
    assert_non_null(strstr(page, "data-key=\"AAneD??\""));
    assert_non_null(strstr(page,
                           "viewBox=\"0 0 7 9\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"alive 2, "
                           "near-dead 1, on the edge 1, dead 1, not recorded 2\">"
                           "<path class=\"A\" d=\"M0 3h2v3h-2z\"/><path class=\"D\" d=\"M4 0h1v9h-1z\"/>"
                           "<path class=\"n\" d=\"M2 2h1v5h-1z\"/><path class=\"e\" d=\"M3 6h1v3h-1z\"/>"
                           "<path class=\"q\" d=\"M5 4h2v1h-2z\"/></svg>"));
    assert_non_null(strstr(page,
                           "aria-label=\"alive 1, dead 1, alive 1, dead 1, alive 1, dead 1, alive 1, dead 1, "
                           "and more\">"));
    free(page);
    page = page_of_lives("NA", "e<e");
    assert_non_null(strstr(page, "aria-label=\"on the edge 1, not recorded 1, on the edge 1\">"));
    assert_null(strstr(page, "e<e"));
    assert_int_equal(count(page, "class=\"life\""), 1);
    free(page);
}

static void test_hostile(void **state) {
    (void)state;
    make_tables("hostile",
                (report_tables){.arms = 6, .seeds = 2, .layers = 4, .channels = 6, .windows = 5, .hostile = true});
    char *page = write_report("hostile", "html,md,json", "report.html");
    check_closed(page);
    check_sections(page);
    assert_non_null(strstr(page, "&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_non_null(strstr(page, "<th scope=\"row\">&lt;img src=x onerror=alert(5)&gt;|`&amp; 0</th>"));
    assert_null(strstr(page, "<img src=x"));
    assert_non_null(strstr(page, "distance, &lt;b&gt;mm"));
    assert_int_equal(count(page, "class=\"absent\""), ps_plots_has_program("gnuplot") ? 0 : count_plots());
    free(page);
    /* Nobody ran `touch pwned`: not gnuplot in its folder, not a shell here. */
    assert_false(ps_file_exists(in_folder("hostile/plots/pwned")) || ps_file_exists(in_folder("hostile/pwned")) ||
                 ps_file_exists("pwned"));
    char *markdown = read_text(in_folder("hostile/report.md"));
    assert_null(strstr(markdown, "<script"));
    free(markdown);
}

/* The measures of each class: means over seeds, what was not measured has no number, and tasks without measures of
 * classes have no such table. */
static void test_classes(void **state) {
    (void)state;
    static const char *const wanted[] = {
        "<th scope=\"row\">class 1</th><td class=\"n\">2<small>1 of 2 seeds</small></td><td class=\"n\">–</td></tr>",
        "<th scope=\"row\">class 2</th><td class=\"n\">2.5<small>2 to 3</small></td><td class=\"n\">12.5<small>12 to "
        "13</small></td></tr>",
        "distance, mm</th>", "accuracy <small>higher is better</small>", "whole test split"};
    make_tables("classes", (report_tables){.arms = 2, .seeds = 2, .layers = 1, .channels = 2, .windows = 2});
    char *page = write_report("classes", "html,md", "report.html");
    check_closed(page);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (strstr(page, wanted[i]) == NULL) fail_msg("not on the page: %s", wanted[i]);
    assert_int_equal(count(page, "class=\"scroll classes\""), 1);
    free(page);
    char *markdown = read_text(in_folder("classes/report.md"));
    assert_non_null(strstr(markdown, "| distance, mm | class 1 | 2 | – |"));
    free(markdown);
    write_text("classes/tables/classes.tsv", "arm\tseed\tmeasure\tclass\tname\tvalue\n");
    page = write_report("classes", "html,md", "report.html");
    assert_null(strstr(page, "class=\"scroll classes\""));
    free(page);
    markdown = read_text(in_folder("classes/report.md"));
    assert_null(strstr(markdown, "| class |"));
    free(markdown);
}

/* Numbers of classes that no table of classes has. */
static void test_odd_classes(void **state) {
    (void)state;
    make_tables("oddclasses", (report_tables){.arms = 1, .seeds = 2, .layers = 1, .channels = 2, .windows = 2});
    write_text("oddclasses/tables/classes.tsv",
               "arm\tseed\tmeasure\tclass\tname\tvalue\nnobody\t0\tiou\t0\tx\t1\nbaseline\t0\tiou\t-1\tx\t1\n"
               "baseline\t0\tiou\t1e9\tx\t1\nbaseline\t0\tiou\t0.5\tx\t1\nbaseline\t0\tiou\tNaN\tx\t1\n"
               "baseline\t0\tiou\t2\ty\tNaN\n");
    char *page = write_report("oddclasses", "html", "report.html");
    check_closed(page);
    assert_non_null(strstr(page, "<th scope=\"row\">y</th><td class=\"n\">–</td>"));
    free(page);
}

/* More arms than there are colours and names made up for them. */
static void test_many_arms(void **state) {
    (void)state;
    make_tables("many",
                (report_tables){.arms = 9, .seeds = 2, .layers = 2, .channels = 3, .windows = 3, .hostile = true});
    char *page = write_report("many", "html", "report.html");
    check_closed(page);
    check_sections(page);
    assert_non_null(strstr(page, "&quot;quote&quot;|*md*\\&#39; 8"));
    free(page);
    assert_false(report_tables_write(
        in_folder("toomany"), &(report_tables){.arms = 65, .seeds = 1, .layers = 1, .channels = 1, .windows = 1}));
}

static void test_one_arm_one_seed(void **state) {
    (void)state;
    static const char *const health[] = {"class=\"answer\"",
                                         "1 finding, 1 of them serious or critical",
                                         "level-critical",
                                         "since step 7 in ",
                                         "Lower the learning rate.",
                                         "1 rule cannot be judged",
                                         "id=\"loss\"",
                                         "id=\"h-nodes\""};
    make_tables("one", (report_tables){.arms = 1, .seeds = 1, .layers = 1, .channels = 2, .windows = 1});
    char *page = write_report("one", "html", "report.html");
    check_closed(page);
    assert_non_null(strstr(page, "What is wrong with this run?"));
    assert_null(strstr(page, "id=\"h-predictions\""));
    assert_null(strstr(page, "How sure is this?"));
    for (size_t i = 0; i < sizeof health / sizeof *health; i++)
        if (!strstr(page, health[i])) fail_msg("the page lacks %s", health[i]);
    assert_int_equal(count(page, "id=\"dead_heat\""), 1);
    free(page);
}

static void test_missing_tables(void **state) {
    (void)state;
    make_tables("bare", (report_tables){.arms = 2, .seeds = 2, .layers = 2, .channels = 3, .windows = 3});
    char command[512];
    snprintf(command, sizeof command,
             "cd '%s/bare' && rm verdict.json && cd tables && ls | grep -v '^arms.tsv$' | xargs rm && printf "
             "'arm\\tseed\\n' > dead_time.tsv",
             folder);
    assert_int_equal(system(command), 0);
    char *page = write_report("bare", "html,md,json", "report.html");
    check_closed(page);
    assert_int_equal(count(page, "class=\"absent\""), count_plots());
    assert_int_equal(count(page, "Not recorded, or nothing to count"), count_plots());
    assert_non_null(strstr(page, "No verdict was written"));
    assert_non_null(strstr(page, "holds no node"));
    free(page);
    /* Pictures of the report before must not stay when their tables are gone. */
    assert_false(ps_file_exists(in_folder("bare/plots/loss.svg")));
}

/* Columns of a table gone, as in tables of an older version: that panel says so and the others stand. */
static void test_missing_columns(void **state) {
    (void)state;
    if (!ps_plots_has_program("gnuplot")) skip();
    make_tables("columns", (report_tables){.arms = 3, .seeds = 2, .layers = 3, .channels = 3, .windows = 3});
    char command[512];
    snprintf(
        command, sizeof command,
        "cd '%s/columns/tables' && for table in compensation:10 ranks:15 spectrum_density:7 sensitivity:4; do cut -f "
        "${table#*:} --complement ${table%%:*}.tsv > t && mv t ${table%%:*}.tsv; done && rm spectrum_nodes.tsv "
        "spectrum_mass.tsv",
        folder);
    assert_int_equal(system(command), 0);
    char *page = write_report("columns", "html", "report.html");
    check_sections(page);
    assert_int_equal(count(page, "class=\"absent\""), 4);
    assert_non_null(strstr(page, "tables/compensation.tsv, column affine_same_share"));
    assert_non_null(strstr(page, "tables/ranks.tsv, column output_effective_rank"));
    assert_non_null(strstr(page, "tables/spectrum_density.tsv, column relative_density"));
    assert_non_null(strstr(page, "tables/sensitivity.tsv, column verdict"));
    free(page);
    /* Only tables that a plot names as needed stop it: the spectrum's lower panels may be empty. */
    make_tables("columns", (report_tables){.arms = 3, .seeds = 2, .layers = 3, .channels = 3, .windows = 3});
    snprintf(command, sizeof command, "cd '%s/columns/tables' && rm spectrum_nodes.tsv spectrum_mass.tsv spectrum.tsv",
             folder);
    assert_int_equal(system(command), 0);
    page = write_report("columns", "html", "report.html");
    check_sections(page);
    assert_int_equal(count(page, "class=\"absent\""), 0);
    free(page);
}

static void test_faults(void **state) {
    (void)state;
    ps_report_options options = {.formats = "html,docx", .quiet = true};
    assert_int_equal(ps_report_write(in_folder("page"), &options), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "docx"));
    options.formats = "";
    assert_int_equal(ps_report_write(in_folder("page"), &options), PS_ERR_USAGE);
    options.formats = "html";
    assert_int_equal(ps_report_write(in_folder("nowhere"), &options), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "poolscope compare"));
    make_tables("broken", (report_tables){.arms = 1, .seeds = 1, .layers = 1, .channels = 1, .windows = 1});
    write_text("broken/verdict.json", "{\"format\":");
    assert_int_equal(ps_report_write(in_folder("broken"), &options), PS_ERR_INPUT);
    assert_false(ps_file_exists(in_folder("broken/report.html")));
    setenv("PS_SHARE", folder, 1);
    assert_int_equal(ps_report_write(in_folder("page"), &options), PS_ERR_IO);
    assert_non_null(strstr(ps_status_message(), "PS_SHARE"));
    unsetenv("PS_SHARE");
}

/* A share folder with a broken script among sound ones, one of which (the fifth) the same gnuplot would draw after it:
 * the page says so, and so does report.json, and the others are drawn. */
static void test_broken_plot(void **state) {
    (void)state;
    if (!ps_plots_has_program("gnuplot")) skip();
    make_tables("badplot", (report_tables){.arms = 1, .seeds = 1, .layers = 1, .channels = 1, .windows = 1});
    char *share = NULL, command[1024];
    assert_int_equal(ps_plots_find_share(&share), PS_OK);
    snprintf(command, sizeof command,
             "cp -r '%s' '%s/share' && cd '%s/share' && head -7 plot_list.tsv > l && mv l plot_list.tsv && echo 'plot "
             "`touch x` nonsense(' >> plots/dead_time.gp",
             share, folder, folder);
    free(share);
    assert_int_equal(system(command), 0);
    setenv("PS_SHARE", in_folder("share"), 1);
    char *page = write_report("badplot", "html,json", "report.html");
    unsetenv("PS_SHARE");
    assert_non_null(strstr(page, "This plot could not be drawn: gnuplot said:"));
    free(page);
    char *json = read_text(in_folder("badplot/report.json"));
    assert_int_equal(count(json, "\"state\":\"failed\""), 1);
    assert_int_equal(count(json, "\"state\":\"drawn\""), 5);
    assert_true(ps_file_exists(in_folder("badplot/plots/survival.png")));
    free(json);
}

static void test_no_gnuplot(void **state) {
    (void)state;
    char *path = strdup(getenv("PATH"));
    make_tables("nognuplot", (report_tables){.arms = 2, .seeds = 2, .layers = 2, .channels = 2, .windows = 2});
    setenv("PATH", folder, 1);
    char *page = write_report("nognuplot", "html", "report.html");
    setenv("PATH", path, 1);
    free(path);
    check_closed(page);
    assert_non_null(strstr(page, "apt install gnuplot-nox"));
    assert_int_equal(count(page, "class=\"absent\""), count_plots());
    free(page);
}

static int run_tool(int argc, char **argv) {
    if (argc == 9 && strcmp(argv[1], "make") == 0) {
        report_tables spec = {atoi(argv[3]), atoi(argv[4]), atoi(argv[5]),
                              atoi(argv[6]), atoi(argv[7]), atoi(argv[8]) != 0};
        return report_tables_write(argv[2], &spec) ? 0 : 2;
    }
    if (argc == 4 && strcmp(argv[1], "write") == 0) {
        ps_report_options options = {.formats = argv[3], .quiet = true};
        ps_status status = ps_report_write(argv[2], &options);
        if (status != PS_OK) fprintf(stderr, "%s\n", ps_status_message());
        return status == PS_OK ? 0 : 2;
    }
    return 2;
}

/* ---- terms ---- */

/* Takes marks of emphasis and code out of the text. */
static void plain(char *text) {
    char *to = text;
    for (const char *from = text; *from != '\0'; from++)
        if (*from != '*' && *from != '`') *to++ = *from;
    *to = '\0';
}

/* The page ends with its terms, in the words of the glossary. */
static void test_terms(void **state) {
    static const struct {
        const char *term, *meaning;
    } terms[] = {
#define PS_TERM(term, meaning) {term, meaning},
#include "reports/term_list.def"
#undef PS_TERM
    };
    (void)state;
    make_tables("terms", (report_tables){.arms = 1, .seeds = 1, .layers = 1, .channels = 2, .windows = 2});
    char *glossary = read_text("src/GLOSSARY.md"), *page = write_report("terms", "html", "report.html");
    const char *card = strstr(page, "<details class=\"card\" id=\"terms\">");
    assert_non_null(card); /* closed */
    plain(glossary);
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        char row[512], item[128];
        snprintf(row, sizeof row, "\n| %s | %s |", terms[i].term, terms[i].meaning);
        if (strstr(glossary, row) == NULL) fail_msg("src/GLOSSARY.md has no row%s", row);
        snprintf(item, sizeof item, "\"><b>%s</b>: ", terms[i].term);
        if (strstr(card, item) == NULL) fail_msg("the page lacks %s", item);
    }
    free(glossary);
    free(page);
}

int main(int argc, char **argv) {
    if (argc > 1) return run_tool(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_first_screen),
        cmocka_unit_test(test_picture_of_an_effect),
        cmocka_unit_test(test_exploratory),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_faults),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_table_damaged_numbers),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_data_grid),
        cmocka_unit_test(test_data_faults),
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_svg),
        cmocka_unit_test(test_svg_hostile),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_not_compared),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_one_arm_one_seed),
        cmocka_unit_test(test_missing_tables),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_broken_plot),
        cmocka_unit_test(test_no_gnuplot),
        cmocka_unit_test(test_missing_columns),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_odd_classes),
        cmocka_unit_test(test_many_arms),
        cmocka_unit_test(test_life_lines),
    };
    return cmocka_run_group_tests_name("report", tests, make_folder, remove_folder);
}
