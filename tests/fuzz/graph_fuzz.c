/* Input: the text of a graph. Whatever is accepted must fuse, have units, and be the same after writing and reading. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "fuzz.h"
#include "graph/units.h"

static char *text_of(const ps_graph *graph) {
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (stream == NULL || ps_graph_write(graph, stream) != PS_OK) abort();
    fclose(stream);
    return text;
}

static ps_graph *parse(const char *text) {
    cJSON *document;
    ps_graph *graph = NULL;
    ps_status_reset();
    if (ps_json_parse(text, "fuzz", &document) != PS_OK) return NULL;
    if ((ps_graph_parse(document, "fuzz", &graph) == PS_OK) != (graph != NULL)) abort();
    cJSON_Delete(document);
    return graph;
}

static void check_graph(const ps_graph *graph) {
    ps_graph *fused;
    ps_units units;
    size_t backbone, module;
    double macs;
    ps_graph_count(graph, &backbone, &module, &macs);
    if (ps_graph_fuse(graph, &fused) != PS_OK || ps_units_create(fused, &units) != PS_OK) abort();
    ps_units_clear(&units);
    ps_graph_destroy(fused);
}

void fuzz_input(const uint8_t *bytes, size_t size) {
    char *text = malloc(size + 1);
    if (text == NULL) return;
    if (size > 0) memcpy(text, bytes, size);
    text[size] = '\0';
    ps_graph *graph = parse(text);
    if (graph != NULL) {
        check_graph(graph);
        char *once = text_of(graph);
        ps_graph *again = parse(once);
        if (again == NULL) abort();
        char *twice = text_of(again);
        if (strcmp(once, twice) != 0) abort();
        free(once);
        free(twice);
        ps_graph_destroy(again);
        ps_graph_destroy(graph);
    } else if (ps_status_message()[0] == '\0') {
        abort();
    }
    free(text);
}
