#include "reports/svg.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

static bool is_listed(const char *const *list, const char *at, size_t length) {
    for (; *list; list++)
        if (strlen(*list) == length && memcmp(*list, at, length) == 0) return true;
    return false;
}

static size_t name_length(const char *at) {
    size_t length = 0;
    while (isalnum((unsigned char)at[length]) || strchr(":-_", at[length]) != NULL) {
        if (at[length] == '\0') break;
        length++;
    }
    return length;
}

/* One attribute at *at (after white space): its name must be listed and no address may lead outside the drawing. */
static bool check_attribute(const char **at) {
    static const char *const known[] = {"viewBox",
                                        "xmlns",
                                        "xmlns:xlink",
                                        "id",
                                        "x",
                                        "y",
                                        "x1",
                                        "x2",
                                        "y1",
                                        "y2",
                                        "width",
                                        "height",
                                        "fill",
                                        "fill-opacity",
                                        "stroke",
                                        "stroke-width",
                                        "stroke-linecap",
                                        "stroke-linejoin",
                                        "stroke-dasharray",
                                        "stroke-opacity",
                                        "color",
                                        "d",
                                        "r",
                                        "cx",
                                        "cy",
                                        "points",
                                        "transform",
                                        "font-family",
                                        "font-size",
                                        "font-weight",
                                        "font-style",
                                        "text-anchor",
                                        "class",
                                        "style",
                                        "xlink:href",
                                        "filterUnits",
                                        "flood-color",
                                        "flood-opacity",
                                        "result",
                                        "in",
                                        "in2",
                                        "operator",
                                        "clip-path",
                                        "clip-rule",
                                        "fill-rule",
                                        "opacity",
                                        "offset",
                                        "preserveAspectRatio",
                                        "dy",
                                        "dx",
                                        "xml:space",
                                        "patternUnits",
                                        "image-rendering",
                                        "shape-rendering",
                                        "gradientUnits",
                                        "stop-color",
                                        "baseline-shift",
                                        "text-decoration",
                                        NULL};
    size_t length = name_length(*at);
    const char *equals = *at + length + strspn(*at + length, " ");
    if (!is_listed(known, *at, length) || *equals != '=') return false;
    bool is_address = length == 10 && strncmp(*at, "xlink:href", 10) == 0;
    const char *value = equals + 1 + strspn(equals + 1, " "), quote = *value;
    if (quote != '"' && quote != '\'') return false;
    const char *end = strchr(value + 1, quote);
    if (!end) return false;
    if (is_address && value[1] != '#' && strncmp(value + 1, "data:image/png;base64,", 22) != 0) return false;
    const char *address = strstr(value, "url(");
    if (address && address < end && address[4] != '#') return false;
    *at = end + 1;
    return true;
}

/* One tag at *at ('<' behind it): its name and every attribute must be known. */
static bool check_tag(const char **at) {
    static const char *const known[] = {
        "svg",    "g",       "path",        "text",           "tspan",    "title",   "desc",  "rect",    "defs",
        "use",    "circle",  "line",        "polygon",        "polyline", "ellipse", "image", "pattern", "clipPath",
        "filter", "feFlood", "feComposite", "linearGradient", "stop",     "a",       NULL};
    if (**at == '/') ++*at;
    size_t length = name_length(*at);
    if (!is_listed(known, *at, length)) return false;
    *at += length;
    for (;;) {
        *at += strspn(*at, " \t\r\n");
        if (**at == '>') return true;
        if (strncmp(*at, "/>", 2) == 0) return true;
        if (!check_attribute(at)) return false;
    }
}

static bool check_drawing(const char *at) {
    for (at = strchr(at, '<'); at; at = strchr(at, '<')) {
        at++;
        if (!check_tag(&at)) return false;
    }
    return true;
}

typedef struct {
    const char *from, *to;
} replacement;

/* The style's colours (plots/style.gp) and the variable of the page (page.css) each becomes; gnuplot writes them in two
 * ways. */
static const replacement colours[] = {
    {"rgb( 38,  38,  38)", "var(--ink)"},  {"rgb(38,38,38)", "var(--ink)"},       {"rgb(217, 217, 217)", "var(--grid)"},
    {"rgb(217,217,217)", "var(--grid)"},   {"rgb( 64,  64,  64)", "var(--arm1)"}, {"rgb(64,64,64)", "var(--arm1)"},
    {"rgb(  0, 114, 178)", "var(--arm2)"}, {"rgb(0,114,178)", "var(--arm2)"},     {"rgb(213,  94,   0)", "var(--arm3)"},
    {"rgb(213,94,0)", "var(--arm3)"},      {"rgb(  0, 158, 115)", "var(--arm4)"}, {"rgb(0,158,115)", "var(--arm4)"},
    {"rgb(204, 121, 167)", "var(--arm5)"}, {"rgb(204,121,167)", "var(--arm5)"},   {"rgb(230, 159,   0)", "var(--arm6)"},
    {"rgb(230,159,0)", "var(--arm6)"},     {"rgb( 86, 180, 233)", "var(--arm7)"}, {"rgb(86,180,233)", "var(--arm7)"},
    {"rgb(128, 128, 128)", "var(--arm8)"}, {"rgb(128,128,128)", "var(--arm8)"},
};

/* Prints what stands at `at` in the page's terms and returns how much was read; 0 where it is an ordinary character. */
static size_t print_special(FILE *stream, const char *at, const char *prefix) {
    if (strncmp(at, "rgb(", 4) == 0) {
        for (size_t i = 0; i < sizeof colours / sizeof *colours; i++) {
            size_t length = strlen(colours[i].from);
            if (strncmp(at, colours[i].from, length) != 0) continue;
            fputs(colours[i].to, stream);
            return length;
        }
    }
    static const char *const places[] = {" id='", " id=\"", "href='#", "href=\"#", "url(#"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        size_t length = strlen(places[i]);
        if (strncmp(at, places[i], length) != 0) continue;
        fprintf(stream, "%s%s-", places[i], prefix);
        return length;
    }
    return 0;
}

/* Copies a tag up to and with its '>', ids, addresses and colours changed. */
static const char *print_tag(FILE *stream, const char *at, const char *prefix) {
    while (*at && *at != '>') {
        size_t special = print_special(stream, at, prefix);
        if (special == 0) fputc(*at++, stream);
        at += special;
    }
    fputc('>', stream);
    return *at ? at + 1 : at;
}

static bool starts_tag(const char *at, const char *name) {
    size_t length = strlen(name);
    return *at == '<' && strncmp(at + 1, name, length) == 0 && strchr(" \t\r\n>/", at[1 + length]) != NULL;
}

/* Everything inside the root element. */
static void print_body(FILE *stream, const char *at, const char *prefix) {
    while (*at && !starts_tag(at, "/svg")) {
        if (starts_tag(at, "title") || starts_tag(at, "desc")) {
            const char *end = strstr(at, at[1] == 't' ? "</title>" : "</desc>");
            if (!end) return;
            at = strchr(end, '>') + 1;
        } else if (*at == '<') {
            at = print_tag(stream, at, prefix);
        } else {
            size_t plain = strcspn(at, "<");
            fwrite(at, 1, plain, stream);
            at += plain;
        }
    }
}

static bool print_drawing(FILE *stream, const char *content, const char *prefix, const char *label_ids) {
    const char *root = strstr(content, "<svg");
    const char *body = root ? strchr(root, '>') : NULL, *box = root ? strstr(root, "viewBox=\"") : NULL;
    if (!body || !box || box > body || !strstr(body, "</svg>") || !check_drawing(root)) return false;
    box += strlen("viewBox=\"");
    fprintf(stream,
            "<svg role=\"img\" aria-labelledby=\"%s\" viewBox=\"%.*s\" xmlns:xlink=\"http://www.w3.org/1999/xlink\">",
            label_ids, (int)strcspn(box, "\""), box);
    print_body(stream, body + 1, prefix);
    fputs("</svg>\n", stream);
    return true;
}

ps_status ps_svg_inline(FILE *stream, const char *path, const char *prefix, const char *label_ids, bool *allowed) {
    char *content = NULL;
    PS_TRY(ps_file_read(path, &content, NULL));
    *allowed = print_drawing(stream, content, prefix, label_ids);
    free(content);
    return PS_OK;
}
