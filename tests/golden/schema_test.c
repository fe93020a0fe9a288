/* src/trace/schema.json is what the lists in src/trace say, as a JSON Schema of one line of a trace. Where one of these
 * was changed, `make golden-update` renews it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "tests/lib/golden.h"
#include "trace/trace_quantity.h"
#include "trace/trace_schema.h"
#include "trace/trace_task.h"

/* ---- kinds of values ---- */

static void put_words(FILE *out, ps_trace_words list) {
    const char *word;
    fputs("{\"enum\": [", out);
    for (int i = 0; (word = ps_words_at(list, i)) != NULL; i++) fprintf(out, "%s\"%s\"", i > 0 ? ", " : "", word);
    fputs("]}", out);
}

static void put_whole(FILE *out, double low, double high) {
    if (low == 0 && high == PS_TRACE_MOST_WHOLE) fputs("{\"$ref\": \"#/definitions/whole\"}", out);
    else fprintf(out, "{\"type\": \"integer\", \"minimum\": %.0f, \"maximum\": %.0f}", low, high);
}

static void put_list(FILE *out, const ps_trace_kind *kind) {
    fprintf(out, "{\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/%s\"}",
            ps_object_word((ps_trace_object)kind->of));
    if (kind->high > 0) fprintf(out, ", \"minItems\": %.0f, \"maxItems\": %.0f", kind->low, kind->high);
    fputs("}", out);
}

static const char *const shape_schemas[] = {
    [PS_SHAPE_ANY] = "{}",
    [PS_SHAPE_TEXT] = "{\"type\": \"string\"}",
    [PS_SHAPE_NAME] = "{\"type\": \"string\", \"minLength\": 1}",
    [PS_SHAPE_NAME_OF_KEY] = "{\"$ref\": \"#/definitions/word\"}",
    [PS_SHAPE_TEXT_OR_NULL] = "{\"type\": [\"string\", \"null\"]}",
    [PS_SHAPE_SWITCH] = "{\"type\": \"boolean\"}",
    [PS_SHAPE_NUMBER] = "{\"type\": \"number\"}",
    [PS_SHAPE_NUMBER_OR_NULL] = "{\"type\": [\"number\", \"null\"]}",
    [PS_SHAPE_VALUE] = "{\"$ref\": \"#/definitions/value\"}",
    [PS_SHAPE_WHOLES] = "{\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/whole\"}}",
    [PS_SHAPE_NUMBERS] = "{\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/value\"}}",
    [PS_SHAPE_FOUR_WHOLES] =
        "{\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/whole\"}, \"minItems\": 4, \"maxItems\": 4}",
    [PS_SHAPE_NAMES_OR_NULL] = "{\"type\": [\"array\", \"null\"], \"items\": {\"type\": \"string\"}}",
    [PS_SHAPE_NAMES] = "{\"type\": \"array\", \"items\": {\"type\": \"string\"}}",
    [PS_SHAPE_TEXTS] = "{\"type\": \"object\", \"additionalProperties\": {\"type\": \"string\"}}",
    [PS_SHAPE_TEXTS_OR_NULLS] = "{\"type\": \"object\", \"additionalProperties\": {\"type\": [\"string\", \"null\"]}}",
    [PS_SHAPE_FREE] = "{\"type\": \"object\"}",
    [PS_SHAPE_VALUES] = "{\"$ref\": \"#/definitions/values\"}",
    [PS_SHAPE_LIST] = NULL,
};

static void put_kind(FILE *out, const ps_trace_kind *kind) {
    switch (kind->shape) {
        case PS_SHAPE_WORD: put_words(out, (ps_trace_words)kind->of); break;
        case PS_SHAPE_WHOLE: put_whole(out, kind->low, kind->high); break;
        case PS_SHAPE_WHOLE_OR_NULL:
            fputs("{\"anyOf\": [{\"type\": \"null\"}, ", out);
            put_whole(out, kind->low, kind->high);
            fputs("]}", out);
            break;
        case PS_SHAPE_LIST: put_list(out, kind); break;
        case PS_SHAPE_OBJECT:
        case PS_SHAPE_OWN:
            fprintf(out, "{\"$ref\": \"#/definitions/%s\"}", ps_object_word((ps_trace_object)kind->of));
            break;
        default: fputs(shape_schemas[kind->shape], out);
    }
}

/* What the values of a step may be: of the ranges of quantities, those three. */
static const char *range_schema(ps_trace_range range) {
    return range == PS_RANGE_SHARE  ? "{\"$ref\": \"#/definitions/share\"}"
           : range == PS_RANGE_SIZE ? "{\"$ref\": \"#/definitions/size\"}"
                                    : "{\"$ref\": \"#/definitions/value\"}";
}

/* ---- keys of an object ---- */

static void put_property(FILE *out, int indent, int *count, const char *name) {
    fprintf(out, "%s\n%*s\"%s\": ", (*count)++ > 0 ? "," : "", indent, "", name);
}

/* Keys of the object that are needed from this version on; from 1: all that later ones do not bring. */
static bool belongs(const ps_trace_key_line *key, ps_trace_object object, int version) {
    return key->object == object && (version > 1 ? key->need == version : key->need <= 1);
}

static void put_required(FILE *out, int indent, ps_trace_object object, int version) {
    int count = 0;
    for (int k = 0; k < PS_KEY_COUNT; k++) {
        if (!belongs(&ps_trace_keys[k], object, version) || ps_trace_keys[k].need == 0) continue;
        if (count == 0) fprintf(out, "%*s\"required\": [", indent, "");
        fprintf(out, "%s\"%s\"", count++ > 0 ? ", " : "", ps_trace_keys[k].name);
    }
    if (count > 0) fputs("],\n", out);
}

static void put_more(FILE *out, int indent, ps_trace_object object, int *count) {
    if (object == PS_OBJECT_STEP)
        for (int q = 0; q < PS_STEP_COUNT; q++) {
            put_property(out, indent, count, ps_trace_step_quantities[q].name);
            fputs(range_schema(ps_trace_step_quantities[q].range), out);
        }
    ps_trace_task task; /* keys that the header's task names cannot stand here, but for those of a trace without one */
    ps_trace_task_default(&task);
    if (object == PS_OBJECT_EVAL || object == PS_OBJECT_END)
        for (int m = 0; m < task.measures; m++) {
            put_property(out, indent, count, task.measure[m].name);
            fputs(range_schema(ps_trace_measure_is_share(&task.measure[m]) ? PS_RANGE_SHARE : PS_RANGE_ANY), out);
        }
}

static void put_properties(FILE *out, int indent, ps_trace_object object, int version) {
    int count = 0;
    put_required(out, indent, object, version);
    fprintf(out, "%*s\"properties\": {", indent, "");
    for (int k = 0; k < PS_KEY_COUNT; k++) {
        if (!belongs(&ps_trace_keys[k], object, version)) continue;
        put_property(out, indent + 2, &count, ps_trace_keys[k].name);
        put_kind(out, &ps_trace_keys[k].kind);
    }
    if (version == 1) put_more(out, indent + 2, object, &count);
    fprintf(out, "\n%*s}\n", indent, "");
}

/* ---- the whole ---- */

static void put_part(FILE *out, ps_trace_object part) {
    fprintf(out, ",\n    \"%s\": {\n      \"type\": \"object\",\n", ps_object_word(part));
    put_properties(out, 6, part, 1);
    fputs("    }", out);
}

static bool has_keys(ps_trace_object object, int version) {
    for (int k = 0; k < PS_KEY_COUNT; k++)
        if (belongs(&ps_trace_keys[k], object, version)) return true;
    return false;
}

static void put_record(FILE *out, ps_trace_object record, int version) {
    if (!has_keys(record, version)) return;
    fprintf(out, "%s    {\n      \"if\": {", version > 1 || record > PS_OBJECT_HEADER ? ",\n" : "");
    if (version > 1) fputs("\"required\": [\"version\"], ", out);
    fprintf(out, "\"properties\": {\"" PS_TRACE_TYPE "\": {\"const\": \"%s\"}", ps_object_word(record));
    if (version > 1) fprintf(out, ", \"version\": {\"minimum\": %d}", version);
    fputs("}},\n      \"then\": {\n", out);
    put_properties(out, 8, record, version);
    fputs("      }\n    }", out);
}

static void put_event(FILE *out, ps_trace_object event) {
    if (!has_keys(event, 1)) return;
    fprintf(out,
            ",\n    {\n      \"if\": {\"required\": [\"%s\"], \"properties\": {\"" PS_TRACE_TYPE
            "\": {\"const\": \"%s\"}, \"%s\": {\"const\": \"%s\"}}},\n      \"then\": {\n",
            PS_KEY(EVENT, event), ps_record_word(PS_RECORD_EVENT), PS_KEY(EVENT, event), ps_object_word(event));
    put_properties(out, 8, event, 1);
    fputs("      }\n    }", out);
}

static void put_definitions(FILE *out) {
    fputs("  \"definitions\": {\n    \"whole\": ", out);
    fprintf(out, "{\"type\": \"integer\", \"minimum\": 0, \"maximum\": %.0f},\n", PS_TRACE_MOST_WHOLE);
    fputs(
        "    \"special\": {\"enum\": [\"" PS_TRACE_NAN "\", \"" PS_TRACE_INFINITY "\", \"" PS_TRACE_MINUS_INFINITY
        "\"]},\n"
        "    \"value\": {\"anyOf\": [{\"type\": [\"number\", \"null\"]}, {\"$ref\": \"#/definitions/special\"}]},\n"
        "    \"size\": {\"anyOf\": [{\"type\": \"number\", \"minimum\": 0}, {\"type\": \"null\"}, {\"enum\": "
        "[\"" PS_TRACE_NAN "\", \"" PS_TRACE_INFINITY
        "\"]}]},\n"
        "    \"share\": {\"anyOf\": [{\"type\": \"number\", \"minimum\": 0, \"maximum\": 1}, {\"type\": \"null\"}, "
        "{\"enum\": [\"" PS_TRACE_NAN
        "\"]}]},\n"
        "    \"values\": {\n      \"type\": \"object\",\n      \"additionalProperties\": {\n        \"anyOf\": [\n"
        "          {\"$ref\": \"#/definitions/value\"},\n"
        "          {\"type\": \"array\", \"items\": {\"$ref\": \"#/definitions/value\"}}\n        ]\n      }\n    },\n",
        out);
    fprintf(out, "    \"word\": {\"type\": \"string\", \"pattern\": \"^[a-z_][a-z0-9_]*$\", \"maxLength\": %d}",
            PS_TRACE_TASK_TEXT - 1);
#define PS_TRACE_PART(id, word) put_part(out, PS_OBJECT_##id);
#include "trace/part_list.def"
#undef PS_TRACE_PART
    fputs("\n  },\n", out);
}

static void put_schema(FILE *out) {
    fprintf(
        out,
        "{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
        "  \"$id\": \"https://poolscope.invalid/trace/%d\",\n"
        "  \"title\": \"One line of a poolscope trace, versions 1 to %d\",\n"
        "  \"description\": \"Rules between lines (order, steps, windows, known layers, lengths of arrays) stand in "
        "FORMAT.md and are checked by `poolscope validate`.\",\n"
        "  \"type\": \"object\",\n  \"required\": [\"" PS_TRACE_TYPE
        "\"],\n"
        "  \"properties\": {\"" PS_TRACE_TYPE "\": {\"type\": \"string\"}},\n",
        PS_TRACE_VERSION, PS_TRACE_VERSION);
    put_definitions(out);
    fputs("  \"allOf\": [\n", out);
    for (int version = 1; version <= PS_TRACE_VERSION; version++) {
#define PS_TRACE_RECORD(id, word, quantities) put_record(out, PS_OBJECT_##id, version);
#include "trace/record_list.def"
#undef PS_TRACE_RECORD
    }
#define PS_TRACE_EVENT(id, word, meaning) put_event(out, PS_OBJECT_##id);
#include "trace/event_list.def"
#undef PS_TRACE_EVENT
    fputs("\n  ]\n}\n", out);
}

static void the_schema_is_what_the_lists_say(void **state) {
    (void)state;
    char *text = NULL;
    size_t size;
    cJSON *schema;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    put_schema(stream);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(ps_json_parse(text, "the schema", &schema), PS_OK);
    cJSON_Delete(schema);
    golden_file("src/trace/schema.json", text);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_schema_is_what_the_lists_say)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
