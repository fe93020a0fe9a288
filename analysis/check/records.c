#include "analysis/check/records.h"

#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/json.h"
#include "core/memory.h"

/* Step records and windows count up to the last step they cover; the others show the state after so many steps. */
static bool within(const ps_trace_record *record, double first_steps) {
    switch (record->type) {
        case PS_RECORD_STEP: return record->step < first_steps;
        case PS_RECORD_WINDOW: return record->last < first_steps;
        case PS_RECORD_END: return false;
        default: return ps_is_absent(record->step) || record->step <= first_steps;
    }
}

static ps_status keep(ps_check_trace *trace, const ps_trace_record *record) {
    PS_TRY(PS_GROW(&trace->records, &trace->capacity, trace->count + 1, "records of a trace"));
    ps_check_record *kept = &trace->records[trace->count++];
    kept->type = record->type;
    kept->line = record->line;
    kept->layer = record->layer;
    kept->window = record->window;
    kept->step = record->type == PS_RECORD_WINDOW ? record->last
                 : record->type == PS_RECORD_END  ? record->steps
                                                  : record->step;
    return ps_string_copy(record->text, &kept->text);
}

ps_status ps_check_trace_read(const char *path, long long first_steps, ps_check_trace *trace) {
    ps_trace_record record;
    bool more;
    *trace = (ps_check_trace){0};
    PS_TRY(ps_trace_reader_open(path, &trace->reader));
    trace->header = ps_trace_reader_header(trace->reader);
    for (;;) {
        PS_TRY(ps_trace_reader_next(trace->reader, &record, &more));
        if (!more) break;
        if (record.type == PS_RECORD_TIMING || (first_steps > 0 && !within(&record, (double)first_steps))) continue;
        PS_TRY(keep(trace, &record));
    }
    trace->cut = ps_trace_reader_was_cut(trace->reader);
    return PS_OK;
}

static ps_status make_document_key(const ps_check_record *record, char **key) {
    cJSON *document;
    PS_TRY(ps_json_try(record->text, &document));
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, PS_TRACE_TYPE));
    const char *event = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, PS_KEY(EVENT, event)));
    const char *layer = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, PS_KEY(WINDOW, layer)));
    const char *split = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, PS_KEY(EVAL, split)));
    const char *what = event != NULL ? event : split != NULL ? split : "";
    ps_status status;
    if (ps_is_absent(record->step))
        status = ps_string_format(key, "%s %s %s", type ? type : "?", what, layer ? layer : "");
    else status = ps_string_format(key, "%s %.17g %s %s", type ? type : "?", record->step, what, layer ? layer : "");
    cJSON_Delete(document);
    if (status != PS_OK) return status;
    for (size_t length = strlen(*key); length > 0 && (*key)[length - 1] == ' ';) (*key)[--length] = '\0';
    return PS_OK;
}

static ps_status make_key(const ps_check_trace *trace, const char *const *names, const ps_check_record *record,
                          char **key) {
    const char *layer = record->layer < 0 ? ""
                        : names != NULL   ? names[record->layer]
                                          : trace->header->layers[record->layer].name;
    switch (record->type) {
        case PS_RECORD_STEP: return ps_string_format(key, "step %.17g", record->step);
        case PS_RECORD_WINDOW: return ps_string_format(key, "window %.17g %s", record->window, layer);
        case PS_RECORD_PROBE: return ps_string_format(key, "probe %.17g %s", record->step, layer);
        case PS_RECORD_END: return ps_string_copy("end", key);
        default: return make_document_key(record, key);
    }
}

static size_t *slot_of(const ps_check_trace *trace, const char *key) {
    ps_digest digest = ps_digest_start();
    ps_digest_text(&digest, key);
    size_t slot = ps_digest_value(&digest) & (trace->slot_count - 1);
    while (trace->slots[slot] != 0 && strcmp(trace->records[trace->slots[slot] - 1].key, key) != 0)
        slot = (slot + 1) & (trace->slot_count - 1);
    return &trace->slots[slot];
}

static ps_status insert(ps_check_trace *trace, size_t index) {
    ps_check_record *record = &trace->records[index];
    size_t *slot = slot_of(trace, record->key);
    if (*slot != 0) {
        char *numbered;
        PS_TRY(ps_string_format(&numbered, "%s #%d", record->key, ++trace->records[*slot - 1].repeats + 1));
        free(record->key);
        record->key = numbered;
        slot = slot_of(trace, record->key);
    }
    *slot = index + 1;
    return PS_OK;
}

ps_status ps_check_trace_index(ps_check_trace *trace, const char *const *names) {
    for (trace->slot_count = 64; trace->slot_count < 2 * trace->count + 2; trace->slot_count *= 2) {
    }
    PS_TRY(PS_ALLOC(trace->slot_count, &trace->slots, "index of records"));
    for (size_t i = 0; i < trace->count; i++) {
        PS_TRY(make_key(trace, names, &trace->records[i], &trace->records[i].key));
        PS_TRY(insert(trace, i));
    }
    return PS_OK;
}

const ps_check_record *ps_check_trace_find(const ps_check_trace *trace, const char *key) {
    size_t slot = *slot_of(trace, key);
    return slot == 0 ? NULL : &trace->records[slot - 1];
}

void ps_check_trace_clear(ps_check_trace *trace) {
    for (size_t i = 0; i < trace->count; i++) {
        free(trace->records[i].text);
        free(trace->records[i].key);
    }
    ps_free_array(trace->records);
    ps_free(trace->slots);
    ps_trace_reader_destroy(trace->reader);
    *trace = (ps_check_trace){0};
}
