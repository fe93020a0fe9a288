#include "tests/lib/graphs.h"

#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"

static ps_status parse(const char *nodes, ps_graph **graph) {
    size_t size = strlen(nodes) + 128;
    char *text = malloc(size);
    cJSON *document;
    assert_non_null(text);
    snprintf(
        text, size,
        "{\"format\": \"poolscope-graph\", \"version\": 1, \"name\": \"t\", \"input\": [3, 8, 8], \"nodes\": [%s]}",
        nodes);
    if (ps_json_parse(text, "test", &document) != PS_OK) fail_msg("%s", ps_status_message());
    ps_status status = ps_graph_parse(document, "test", graph);
    cJSON_Delete(document);
    free(text);
    return status;
}

ps_graph *graph_of(const char *nodes) {
    ps_graph *graph = NULL;
    if (parse(nodes, &graph) != PS_OK) fail_msg("%s", ps_status_message());
    return graph;
}

ps_status graph_status(const char *nodes) {
    ps_graph *graph;
    ps_status status = parse(nodes, &graph);
    ps_graph_destroy(graph);
    return status;
}

char *graph_text(const ps_graph *graph) {
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    assert_int_equal(ps_graph_write(graph, stream), PS_OK);
    fclose(stream);
    return text;
}

static const ps_model *find(const char *model) {
    const ps_model *found;
    if (ps_model_find(model, &found) != PS_OK) fail_msg("%s", ps_status_message());
    return found;
}

ps_model_options model_options(const char *model) {
    ps_model_options options;
    ps_model_options_init(find(model), &options);
    return options;
}

ps_graph *model_graph(const char *model, const ps_model_options *options) {
    ps_graph *graph = NULL;
    if (find(model)->build(options, &graph) != PS_OK) fail_msg("%s", ps_status_message());
    return graph;
}

ps_status model_status(const char *model, const ps_model_options *options) {
    ps_graph *graph;
    ps_status status = find(model)->build(options, &graph);
    ps_graph_destroy(graph);
    return status;
}

void assert_sentence(ps_status status, ...) {
    va_list texts;
    assert_int_not_equal(status, PS_OK);
    va_start(texts, status);
    for (const char *text = va_arg(texts, const char *); text != NULL; text = va_arg(texts, const char *))
        if (strstr(ps_status_message(), text) == NULL) {
            va_end(texts);
            fail_msg("\"%s\" does not hold \"%s\"", ps_status_message(), text);
        }
    va_end(texts);
}
