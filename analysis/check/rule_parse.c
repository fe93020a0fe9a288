/* Recursive descent over GRAMMAR.md, one function a production. */
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/check/rule.h"
#include "core/memory.h"
#include "core/text.h"

typedef enum { TOKEN_END, TOKEN_NUMBER, TOKEN_WORD, TOKEN_TEXT, TOKEN_SIGN } token_kind;

typedef struct {
    token_kind kind;
    int begin, end;
    double number;
} token;

typedef struct {
    const char *text, *where;
    token now;
    int depth;
    ps_rule *rule;
} parser;

static const ps_series_entry series[] = {
#define PS_SERIES(name, source, field, bare, description) \
    {#name, PS_SOURCE_##source, #field, PS_FUNCTION_##bare, description},
#include "analysis/check/series_list.def"
#undef PS_SERIES
};

static const char *const functions[] = {
#define PS_FUNCTION(name, description) #name,
#include "analysis/check/function_list.def"
#undef PS_FUNCTION
};
static const char function_names[] =
#define PS_FUNCTION(name, description) " " #name
#include "analysis/check/function_list.def"
#undef PS_FUNCTION
    ;

const ps_series_entry *ps_series_at(size_t index) {
    return index < sizeof series / sizeof *series ? &series[index] : NULL;
}

const ps_series_entry *ps_series_find(const char *name) {
    for (size_t i = 0; i < sizeof series / sizeof *series; i++)
        if (strcmp(series[i].name, name) == 0) return &series[i];
    return NULL;
}

/* Columns are counted in characters, so that the caret stands right under UTF-8 text; tabs are kept as tabs. */
static void draw_caret(const char *text, int place, char *line, size_t room) {
    size_t used = 0;
    for (int i = 0; i < place && used + 2 < room; i++)
        if (((unsigned char)text[i] & 0xC0) != 0x80) line[used++] = text[i] == '\t' ? '\t' : ' ';
    line[used++] = '^';
    line[used] = '\0';
}

static ps_status __attribute__((format(printf, 3, 4))) fail_at(const parser *p, int place, const char *format, ...) {
    char sentence[512], caret[PS_RULE_MOST_LENGTH + 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    draw_caret(p->text, place, caret, sizeof caret);
    return ps_fail(PS_ERR_USAGE, "%s: %s\n  %s\n  %s", p->where, sentence, p->text, caret);
}

/* ---- tokens ---- */

static bool is_word(int c) { return isalnum(c) || c == '_'; }

static int number_end(const char *text, int at) {
    while (isdigit((unsigned char)text[at])) at++;
    /* "100..200" is a range, not a number with a point. */
    if (text[at] == '.' && text[at + 1] != '.') {
        at++;
        while (isdigit((unsigned char)text[at])) at++;
    }
    int exponent = at + 1 + (text[at] != '\0' && (text[at + 1] == '-' || text[at + 1] == '+'));
    if ((text[at] == 'e' || text[at] == 'E') && isdigit((unsigned char)text[exponent])) {
        at = exponent;
        while (isdigit((unsigned char)text[at])) at++;
    }
    return at;
}

static ps_status scan_number(parser *p) {
    char digits[64];
    p->now.kind = TOKEN_NUMBER;
    p->now.end = number_end(p->text, p->now.begin);
    int length = p->now.end - p->now.begin;
    if (length >= (int)sizeof digits || is_word((unsigned char)p->text[p->now.end]))
        return fail_at(p, p->now.begin, "this is no number");
    memcpy(digits, p->text + p->now.begin, (size_t)length);
    digits[length] = '\0';
    p->now.number = strtod(digits, NULL);
    return isfinite(p->now.number) ? PS_OK : fail_at(p, p->now.begin, "this number is too large");
}

static ps_status scan_text(parser *p) {
    int at = p->now.begin + 1;
    for (; p->text[at] != '"'; at++) {
        if (p->text[at] == '\\' && p->text[at + 1] != '\0') at++;
        if (p->text[at] == '\0') return fail_at(p, p->now.begin, "this text has no closing quotation mark");
    }
    p->now.kind = TOKEN_TEXT;
    p->now.end = at + 1;
    return PS_OK;
}

static ps_status scan_sign(parser *p) {
    static const char *const signs[] = {"<=", ">=", "==", "!=", "=~", "..", "<", ">", "=", "+",
                                        "-",  "*",  "/",  "(",  ")",  "[",  "]", ",", ".", "%"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strncmp(p->text + p->now.begin, signs[i], strlen(signs[i])) == 0) {
            p->now.kind = TOKEN_SIGN;
            p->now.end = p->now.begin + (int)strlen(signs[i]);
            return PS_OK;
        }
    return fail_at(p, p->now.begin, "this character means nothing in a rule");
}

static ps_status advance(parser *p) {
    int at = p->now.end;
    while (p->text[at] == ' ' || p->text[at] == '\t') at++;
    p->now = (token){TOKEN_END, at, at, 0};
    unsigned char c = (unsigned char)p->text[at];
    if (c == '\0') return PS_OK;
    if (isdigit(c) || (c == '.' && isdigit((unsigned char)p->text[at + 1]))) return scan_number(p);
    if (c == '"') return scan_text(p);
    if (!is_word(c)) return scan_sign(p);
    p->now.kind = TOKEN_WORD;
    while (is_word((unsigned char)p->text[p->now.end])) p->now.end++;
    return PS_OK;
}

static bool at_token(const parser *p, token_kind kind, const char *text) {
    size_t length = strlen(text);
    return p->now.kind == kind && (size_t)(p->now.end - p->now.begin) == length &&
           memcmp(p->text + p->now.begin, text, length) == 0;
}
static bool at_sign(const parser *p, const char *sign) { return at_token(p, TOKEN_SIGN, sign); }
static bool at_word(const parser *p, const char *word) { return at_token(p, TOKEN_WORD, word); }

static ps_status take_sign(parser *p, const char *sign, const char *reason) {
    if (!at_sign(p, sign)) return fail_at(p, p->now.begin, "expected \"%s\" %s", sign, reason);
    return advance(p);
}

static ps_status take_number(parser *p, const char *reason, double *number) {
    if (p->now.kind != TOKEN_NUMBER) return fail_at(p, p->now.begin, "expected a number %s", reason);
    *number = p->now.number;
    return advance(p);
}

static ps_status copy_token(const parser *p, char **out) {
    return ps_string_format(out, "%.*s", p->now.end - p->now.begin, p->text + p->now.begin);
}

static ps_status add_node(parser *p, ps_rule_operator operator, int left, int right, int *index) {
    if (p->rule->node_count == PS_RULE_MOST_NODES)
        return fail_at(p, p->now.begin, "the rule is too long; split it into several");
    *index = p->rule->node_count++;
    p->rule->nodes[*index] = (ps_rule_node){operator, left, right, 0, NULL};
    return PS_OK;
}

/* ---- selectors ---- */

static const struct {
    const char *name;
    ps_selector_kind kind;
} selector_kinds[] = {{"layer", PS_SELECT_LAYER}, {"stage", PS_SELECT_STAGE}, {"node", PS_SELECT_NODE}};

static ps_status unescape(const parser *p, char **out) {
    PS_TRY(ps_string_format(out, "%.*s", p->now.end - p->now.begin - 2, p->text + p->now.begin + 1));
    char *to = *out;
    for (const char *from = *out; *from != '\0'; from++) {
        /* Only a quotation mark and a backslash are escaped by the rule; "\." goes on to the pattern. */
        if (from[0] == '\\' && (from[1] == '"' || from[1] == '\\')) from++;
        *to++ = *from;
    }
    *to = '\0';
    return PS_OK;
}

static int count_plus(const char *text) {
    int count = 0;
    for (; *text != '\0'; text++) count += *text == '+';
    return count;
}

/* Repeat counts and back references make a pattern that takes for ever or all memory, and so do many nested + (each
 * doubles what it repeats in the C library's compiler), so they are refused. */
static ps_status compile_pattern(const parser *p, int place, ps_rule_selector *selector) {
    char *anchored, reason[128];
    const char *slash = strchr(selector->text, '\\');
    if (strlen(selector->text) > PS_RULE_MOST_PATTERN)
        return fail_at(p, place, "the pattern is longer than %d characters", PS_RULE_MOST_PATTERN);
    if (count_plus(selector->text) > PS_RULE_MOST_PLUS)
        return fail_at(p, place, "patterns with more than %d + are not supported; use *", PS_RULE_MOST_PLUS);
    if (strchr(selector->text, '{') != NULL)
        return fail_at(p, place, "patterns with repeat counts {..} are not supported; use * or +");
    for (; slash != NULL; slash = slash[1] == '\0' ? NULL : strchr(slash + 2, '\\'))
        if (isdigit((unsigned char)slash[1]))
            return fail_at(p, place, "patterns with back references are not supported");
    PS_TRY(ps_string_format(&anchored, "^(%s)$", selector->text));
    int code = regcomp(&selector->pattern, anchored, REG_EXTENDED | REG_NOSUB);
    free(anchored);
    selector->is_pattern = code == 0;
    if (code == 0) return PS_OK;
    regerror(code, &selector->pattern, reason, sizeof reason);
    return fail_at(p, place, "this is no regular expression: %s", reason);
}

static ps_status parse_selector(parser *p, ps_rule_term *term) {
    if (term->selector_count == PS_RULE_MOST_SELECTORS)
        return fail_at(p, p->now.begin, "more than %d selectors", PS_RULE_MOST_SELECTORS);
    ps_rule_selector *selector = &term->selectors[term->selector_count];
    size_t kind = 0, kinds = sizeof selector_kinds / sizeof *selector_kinds;
    while (kind < kinds && !at_word(p, selector_kinds[kind].name)) kind++;
    if (kind == kinds) return fail_at(p, p->now.begin, "expected layer, stage or node");
    selector->kind = selector_kinds[kind].kind;
    PS_TRY(advance(p));
    bool pattern = at_sign(p, "=~");
    if (!pattern && !at_sign(p, "="))
        return fail_at(p, p->now.begin, "expected = (this name) or =~ (names that match a pattern)");
    PS_TRY(advance(p));
    if (p->now.kind != TOKEN_TEXT) return fail_at(p, p->now.begin, "expected a text in quotation marks");
    term->selector_count++;
    PS_TRY(unescape(p, &selector->text));
    if (pattern) PS_TRY(compile_pattern(p, p->now.begin, selector));
    return advance(p);
}

static ps_status parse_selectors(parser *p, ps_rule_term *term) {
    ps_series_source source = term->entry == NULL ? PS_SOURCE_QUANTITY : term->entry->source;
    if (!at_sign(p, "[")) return PS_OK;
    if (source == PS_SOURCE_STEP || source == PS_SOURCE_EVAL || source == PS_SOURCE_RUN)
        return fail_at(p, p->now.begin, "\"%s\" is one of the whole network and has no layers or nodes to choose",
                       term->name);
    do {
        PS_TRY(advance(p));
        PS_TRY(parse_selector(p, term));
    } while (at_sign(p, ","));
    return take_sign(p, "]", "behind the selectors");
}

/* ---- windows ---- */

static ps_status parse_end_window(parser *p, bool last, ps_rule_window *window) {
    int place = p->now.begin;
    PS_TRY(take_number(p,
                       last ? "behind \"last\", as in last 20% or last 5 windows"
                            : "behind \"first\", as in first 20% or first 5 windows",
                       &window->from));
    if (at_sign(p, "%")) window->kind = last ? PS_WINDOW_LAST_SHARE : PS_WINDOW_FIRST_SHARE;
    else if (at_word(p, "steps") || at_word(p, "step"))
        window->kind = last ? PS_WINDOW_LAST_STEPS : PS_WINDOW_FIRST_STEPS;
    else if (at_word(p, "windows") || at_word(p, "window"))
        window->kind = last ? PS_WINDOW_LAST_WINDOWS : PS_WINDOW_FIRST_WINDOWS;
    else return fail_at(p, p->now.begin, "expected %%, steps or windows");
    bool share = at_sign(p, "%");
    if (window->from <= 0 || (share && window->from > 100))
        return fail_at(p, place, "a window needs a number above 0%s", share ? " and up to 100 %" : "");
    if (!share && window->from != floor(window->from))
        return fail_at(p, place, "a number of steps or windows is a whole one");
    return advance(p);
}

static ps_status parse_range(parser *p, ps_window_kind kind, ps_rule_window *window) {
    int place = p->now.begin;
    window->kind = kind;
    PS_TRY(take_number(p, "to start the range, as in steps 100..200", &window->from));
    PS_TRY(take_sign(p, "..", "between the ends of a range"));
    PS_TRY(take_number(p, "to end the range", &window->to));
    if (window->to < window->from) return fail_at(p, place, "the range ends before it starts");
    return PS_OK;
}

static ps_status parse_window(parser *p, ps_rule_window *window) {
    bool last = at_word(p, "last"), first = at_word(p, "first"), steps = at_word(p, "steps"),
         windows = at_word(p, "windows");
    if (!last && !first && !steps && !windows)
        return fail_at(p, p->now.begin, "expected a window: last N%%, first N windows, steps A..B");
    PS_TRY(advance(p));
    return last || first ? parse_end_window(p, last, window)
                         : parse_range(p, steps ? PS_WINDOW_STEPS : PS_WINDOW_WINDOWS, window);
}

/* ---- terms ---- */

/* Behind the token that names it. */
static int function_at(const parser *p) {
    for (int f = 0; f < PS_FUNCTION_COUNT; f++)
        if (at_word(p, functions[f])) return f;
    return -1;
}

static ps_status parse_series(parser *p, ps_rule_term *term) {
    if (p->now.kind != TOKEN_WORD)
        return fail_at(p, p->now.begin, "expected the name of a series, such as dead_share or loss");
    PS_TRY(copy_token(p, &term->name));
    term->entry = ps_series_find(term->name);
    term->function = term->entry != NULL ? term->entry->bare : PS_FUNCTION_only;
    term->bare = true;
    PS_TRY(advance(p));
    return parse_selectors(p, term);
}

static ps_status parse_call(parser *p, ps_rule_term *term, int function) {
    PS_TRY(take_sign(p, "(", "behind a function"));
    PS_TRY(parse_series(p, term));
    term->function = (ps_rule_function)function;
    term->bare = false;
    if (at_sign(p, ",")) {
        PS_TRY(advance(p));
        PS_TRY(parse_window(p, &term->window));
    }
    return take_sign(p, ")", "to close the function");
}

static ps_status unknown_function(const parser *p) {
    char *word, near[64] = "";
    PS_TRY(copy_token(p, &word));
    for (int f = 0, best = 3; f < PS_FUNCTION_COUNT; f++) {
        int distance = ps_text_distance(word, functions[f]);
        if (distance >= best) continue;
        best = distance;
        snprintf(near, sizeof near, "; did you mean %s?", functions[f]);
    }
    free(word);
    return fail_at(p, p->now.begin, "there is no such function%s (known:%s)", near, function_names);
}

/* A word is a function when a parenthesis follows. */
static ps_status parse_term(parser *p, ps_rule_term *term) {
    token start = p->now;
    int function = function_at(p);
    PS_TRY(advance(p));
    if (at_sign(p, "(")) {
        if (function >= 0) return parse_call(p, term, function);
        p->now = start;
        return unknown_function(p);
    }
    p->now = start;
    PS_TRY(parse_series(p, term));
    if (!at_sign(p, ".")) return PS_OK;
    PS_TRY(advance(p));
    function = function_at(p);
    if (function < 0)
        return p->now.kind == TOKEN_WORD
                   ? unknown_function(p)
                   : fail_at(p, p->now.begin, "expected a function behind the point, such as final");
    term->function = (ps_rule_function)function;
    term->bare = false;
    return advance(p);
}

/* ---- expressions ---- */

typedef ps_status production(parser *p, int *node);
static production parse_sum;

static ps_status parse_number(parser *p, int *node) {
    PS_TRY(add_node(p, PS_RULE_NUMBER, -1, -1, node));
    p->rule->nodes[*node].number = p->now.number;
    PS_TRY(advance(p));
    if (!at_sign(p, "%")) return PS_OK;
    p->rule->nodes[*node].number /= 100;
    return advance(p);
}

static ps_status parse_primary(parser *p, int *node) {
    int begin = p->now.begin;
    if (p->now.kind == TOKEN_NUMBER) return parse_number(p, node);
    if (at_sign(p, "(")) {
        PS_TRY(advance(p));
        PS_TRY(parse_sum(p, node));
        return take_sign(p, ")", "to close the parenthesis");
    }
    if (p->now.kind != TOKEN_WORD || at_word(p, "and") || at_word(p, "or"))
        return fail_at(p, begin, "expected a number, a series such as dead_share, or a function such as max(...)");
    PS_TRY(add_node(p, PS_RULE_TERM, -1, -1, node));
    ps_rule_term **term = &p->rule->nodes[*node].term;
    *term = calloc(1, sizeof **term);
    if (*term == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for a rule");
    (*term)->begin = begin;
    PS_TRY(parse_term(p, *term));
    (*term)->end = p->now.begin;
    while ((*term)->end > begin && isspace((unsigned char)p->text[(*term)->end - 1])) (*term)->end--;
    return PS_OK;
}

static ps_status parse_factor(parser *p, int *node) {
    ps_status status;
    if (++p->depth > PS_RULE_MOST_DEPTH) return fail_at(p, p->now.begin, "the rule is nested too deeply");
    if (at_sign(p, "-")) {
        int inner;
        PS_TRY(advance(p));
        PS_TRY(parse_factor(p, &inner));
        status = add_node(p, PS_RULE_NEGATE, inner, -1, node);
    } else {
        status = parse_primary(p, node);
    }
    p->depth--;
    return status;
}

typedef struct {
    token_kind kind;
    const char *text;
    ps_rule_operator operator;
} operator_entry;

static const operator_entry products[] = {{TOKEN_SIGN, "*", PS_RULE_MULTIPLY}, {TOKEN_SIGN, "/", PS_RULE_DIVIDE}, {0}};
static const operator_entry sums[] = {{TOKEN_SIGN, "+", PS_RULE_ADD}, {TOKEN_SIGN, "-", PS_RULE_SUBTRACT}, {0}};
static const operator_entry comparisons[] = {{TOKEN_SIGN, "<", PS_RULE_LESS},
                                             {TOKEN_SIGN, "<=", PS_RULE_LESS_EQUAL},
                                             {TOKEN_SIGN, ">", PS_RULE_GREATER},
                                             {TOKEN_SIGN, ">=", PS_RULE_GREATER_EQUAL},
                                             {TOKEN_SIGN, "==", PS_RULE_EQUAL},
                                             {TOKEN_SIGN, "!=", PS_RULE_NOT_EQUAL},
                                             {0}};
static const operator_entry conjunctions[] = {{TOKEN_WORD, "and", PS_RULE_AND}, {0}};
static const operator_entry disjunctions[] = {{TOKEN_WORD, "or", PS_RULE_OR}, {0}};

static const operator_entry *operator_at(const parser *p, const operator_entry *table) {
    for (; table->text != NULL; table++)
        if (at_token(p, table->kind, table->text)) return table;
    return NULL;
}

/* One level of left-associative operators over the level below. */
static ps_status parse_level(parser *p, production *below, const operator_entry *table, int *node) {
    const operator_entry *entry;
    PS_TRY(below(p, node));
    while ((entry = operator_at(p, table)) != NULL) {
        int right;
        PS_TRY(advance(p));
        PS_TRY(below(p, &right));
        PS_TRY(add_node(p, entry->operator, * node, right, node));
    }
    return PS_OK;
}

static ps_status parse_product(parser *p, int *node) { return parse_level(p, parse_factor, products, node); }
static ps_status parse_sum(parser *p, int *node) { return parse_level(p, parse_product, sums, node); }

static ps_status parse_comparison(parser *p, int *node) {
    int left, right;
    PS_TRY(parse_sum(p, &left));
    const operator_entry *entry = operator_at(p, comparisons);
    if (entry == NULL) {
        bool assigned = at_sign(p, "=");
        return fail_at(p, p->now.begin,
                       assigned ? "equality is written ==" : "expected a comparison: < <= > >= == or !=");
    }
    PS_TRY(advance(p));
    PS_TRY(parse_sum(p, &right));
    return add_node(p, entry->operator, left, right, node);
}

static ps_status parse_conjunction(parser *p, int *node) {
    return parse_level(p, parse_comparison, conjunctions, node);
}
static ps_status parse_disjunction(parser *p, int *node) {
    return parse_level(p, parse_conjunction, disjunctions, node);
}

static ps_status parse_rule(parser *p) {
    if (strlen(p->text) > PS_RULE_MOST_LENGTH)
        return ps_fail(PS_ERR_USAGE, "%s: a rule of more than %d characters; split it", p->where, PS_RULE_MOST_LENGTH);
    PS_TRY(advance(p));
    if (p->now.kind == TOKEN_END) return fail_at(p, 0, "the rule is empty; write one such as dead_share.final < 0.1");
    PS_TRY(parse_disjunction(p, &p->rule->root));
    if (p->now.kind == TOKEN_END) return PS_OK;
    bool chained = operator_at(p, comparisons) != NULL;
    return fail_at(p, p->now.begin,
                   chained ? "comparisons do not chain; join two with \"and\""
                           : "expected the end of the rule, \"and\" or \"or\"");
}

ps_status ps_rule_parse(const char *text, const char *where, ps_rule **out) {
    ps_rule *rule = calloc(1, sizeof *rule);
    *out = NULL;
    if (rule == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for a rule");
    ps_status status = ps_string_copy(text, &rule->text);
    parser p = {.text = rule->text, .where = where, .rule = rule};
    if (status == PS_OK) status = parse_rule(&p);
    if (status == PS_OK) *out = rule;
    else ps_rule_destroy(rule);
    return status;
}

static void destroy_term(ps_rule_term *term) {
    if (term == NULL) return;
    for (int i = 0; i < term->selector_count; i++) {
        free(term->selectors[i].text);
        if (term->selectors[i].is_pattern) regfree(&term->selectors[i].pattern);
    }
    free(term->name);
    free(term);
}

void ps_rule_destroy(ps_rule *rule) {
    if (rule == NULL) return;
    for (int i = 0; i < rule->node_count; i++) destroy_term(rule->nodes[i].term);
    free(rule->text);
    free(rule);
}
