#include "run/planted.h"

#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "net/checkpoint.h"
#include "trace/trace_records.h"

/* "[{..},{..}" without its end, ready for further entries. */
static void write_before(FILE *stream, const char *before) {
    size_t length = strlen(before);
    if (length > 2) fwrite(before, 1, length - 1, stream);
    else fputc('[', stream);
}

ps_status ps_planted_join(const char *before, const ps_planting_list *now, char **text) {
    size_t size = 0;
    bool any = strlen(before) > 2;
    *text = NULL;
    FILE *stream = open_memstream(text, &size);
    if (stream == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for the list of planted nodes");
    write_before(stream, before);
    for (int i = 0; i < now->count; i++, any = true) {
        const ps_planting *p = &now->planting[i];
        fprintf(stream, "%s{\"layer\":", any ? "," : "");
        ps_json_print_text(stream, p->layer);
        fputs(",\"cause\":", stream);
        ps_json_print_text(stream, p->cause);
        fputs(",\"channels\":[", stream);
        for (int c = 0; c < p->channels; c++) fprintf(stream, "%s%d", c > 0 ? "," : "", p->channel[c]);
        fputs("]}", stream);
    }
    fputc(']', stream);
    bool failed = ferror(stream) != 0;
    if (fclose(stream) == 0 && !failed) return PS_OK;
    free(*text);
    *text = NULL;
    return ps_fail(PS_ERR_MEMORY, "no memory for the list of planted nodes");
}

static ps_status take_text(const cJSON *metadata, char **text) {
    char *line = NULL;
    PS_TRY(ps_json_text(cJSON_GetObjectItemCaseSensitive(metadata, "planted"), &line));
    ps_status status = ps_string_copy(line != NULL ? line : "[]", text);
    cJSON_free(line);
    return status;
}

ps_status ps_planted_of_checkpoint(const char *path, char **text) {
    bool is_checkpoint;
    ps_graph *graph = NULL;
    char *metadata = NULL;
    cJSON *json = NULL;
    uint64_t step;
    ps_status status = PS_OK;
    *text = NULL;
    PS_TRY(ps_checkpoint_check(path, &is_checkpoint));
    if (!is_checkpoint) return ps_string_copy("[]", text);
    PS_TRY_CLEANUP(ps_checkpoint_open(path, &graph, &metadata, &step));
    PS_TRY_CLEANUP(ps_json_parse(metadata, path, &json));
    status = take_text(json, text);
cleanup:
    cJSON_Delete(json);
    free(metadata);
    ps_graph_destroy(graph);
    return status;
}

static ps_status record_entry(const cJSON *entry, ps_trace_writer *trace) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(entry, "channels"), *item;
    const char *layer, *cause;
    int *channel = NULL, count = 0;
    PS_TRY(ps_json_get_text(entry, "layer", true, "planted nodes of the checkpoint", &layer));
    PS_TRY(ps_json_get_text(entry, "cause", true, "planted nodes of the checkpoint", &cause));
    PS_TRY(PS_ALLOC((size_t)cJSON_GetArraySize(list) + 1, &channel, "planted nodes"));
    cJSON_ArrayForEach(item, list) channel[count++] = cJSON_IsNumber(item) ? item->valueint : -1;
    ps_status status = ps_trace_write_planted(trace, 0, layer, cause, channel, count);
    ps_free(channel);
    return status;
}

ps_status ps_planted_record(const char *text, ps_trace_writer *trace) {
    cJSON *json;
    const cJSON *entry;
    ps_status status = PS_OK;
    PS_TRY(ps_json_parse(text, "planted nodes of the checkpoint", &json));
    cJSON_ArrayForEach(entry, json) {
        status = record_entry(entry, trace);
        if (status != PS_OK) break;
    }
    cJSON_Delete(json);
    return status;
}
