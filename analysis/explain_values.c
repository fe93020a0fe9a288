/* What a record of the trace says of one node, quantity by quantity. */
#include <string.h>

#include "analysis/explain_internal.h"
#include "analysis/trace_reader.h"
#include "core/json.h"
#include "core/text.h"

/* What the header's list of quantities says of one; "" where it does not. */
static const char *said_of(const ps_trace_header *header, const char *name, const char *key) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(header->document, PS_KEY(HEADER, quantities)), *quantity;
    cJSON_ArrayForEach(quantity, list) {
        const char *own = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(quantity, PS_KEY(QUANTITY, name)));
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(quantity, key));
        if (own != NULL && text != NULL && strcmp(own, name) == 0) return text;
    }
    return "";
}

/* "-" where there is no such value. What is not finite stands in a trace as a text. */
static void print_value(const ps_trace_header *header, const cJSON *item, int channel, FILE *stream) {
    char number[32];
    const cJSON *value = cJSON_IsArray(item) ? cJSON_GetArrayItem(item, channel) : item;
    const char *text = cJSON_IsNumber(value)   ? ps_text_number(value->valuedouble, 6, number)
                       : cJSON_IsString(value) ? value->valuestring
                                               : "-";
    const char *unit = said_of(header, item->string, PS_KEY(QUANTITY, unit));
    bool of_layer =
        strcmp(said_of(header, item->string, PS_KEY(QUANTITY, per)), ps_words_at(PS_WORDS_PER, PS_PER_LAYER)) == 0;
    fprintf(stream, "    %-26s %12s", item->string, text);
    if (unit[0] != '\0' && strcmp(unit, "1") != 0) fprintf(stream, "  %s", unit);
    fputs(of_layer ? "  (of the whole layer)\n" : "\n", stream);
}

static ps_status print_record(const ps_trace_header *header, const ps_trace_record *record, int channel, FILE *stream) {
    cJSON *document;
    const cJSON *item;
    PS_TRY(ps_json_parse(record->text, header->path, &document));
    if (record->type == PS_RECORD_WINDOW)
        fprintf(stream, "  In the window before it, steps %.0f to %.0f", record->first, record->last);
    else fprintf(stream, "  At that probe, before step %.0f", record->step);
    fprintf(stream, " (%s:%llu)\n    %-26s %12s  %s\n", header->path, (unsigned long long)record->line, "quantity",
            "value", "unit");
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(document, PS_KEY(WINDOW, values)))
        print_value(header, item, channel, stream);
    cJSON_Delete(document);
    return PS_OK;
}

ps_status ps_explain_show_values(const char *path, uint64_t line, int channel, FILE *stream) {
    ps_trace_reader *reader;
    bool more = true;
    PS_TRY(ps_trace_reader_open(path, &reader));
    ps_status status = PS_OK;
    while (status == PS_OK && more && ps_trace_reader_line(reader) < line) {
        ps_trace_record record;
        status = ps_trace_reader_next(reader, &record, &more);
        if (status == PS_OK && more && record.line == line)
            status = print_record(ps_trace_reader_header(reader), &record, channel, stream);
    }
    ps_trace_reader_destroy(reader);
    return status;
}
