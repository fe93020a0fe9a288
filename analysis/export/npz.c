#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/export/export.h"
#include "analysis/export/zip_store.h"
#include "core/memory.h"
#include "core/text.h"

/* run.npz: a zip archive of arrays in NumPy's .npy format, version 1.0. All arrays and their shapes are known after one
 * pass; in a second one each grows row by row, and a row that the trace lacks is NaN. */

enum { HELD = 4096, NOT_THERE = -1 };
typedef enum { NUMBERS, WHOLES, TEXTS } array_kind;

typedef struct {
    size_t member;
    uint64_t rows, done; /* done: rows that are whole */
    int columns;
    unsigned char held[HELD]; /* bytes still to be handed on */
    size_t count;
} array;

typedef struct {
    const ps_export *export;
    ps_zip_store zip;
    array **arrays;
    size_t count, capacity;
    uint64_t steps, evals;
    int longest_split;
    bool *there; /* [quantity][layer]: some record has it */
    int *values; /* [quantity][layer]: its array, or NOT_THERE */
    int *dead;   /* [layer] */
    int step[PS_STEP_COUNT], step_step, eval[4], measured[PS_TRACE_MOST_MEASURES], split;
    int window, probe; /* that is being read, as the run's lists have them */
} npz;
enum { EVAL_STEP, EVAL_LOSS, EVAL_LOSS_BATCH, EVAL_COUNT };

/* ---- arrays ---- */

static ps_status hand_on(npz *z, array *a) {
    PS_TRY(ps_zip_put(&z->zip, a->member, a->held, a->count));
    a->count = 0;
    return PS_OK;
}

static ps_status put_bits(npz *z, array *a, uint64_t bits, int size) {
    if (a->count + (size_t)size > HELD) PS_TRY(hand_on(z, a));
    for (int i = 0; i < size; i++) a->held[a->count++] = (unsigned char)(bits >> (8 * i));
    return PS_OK;
}

static ps_status put_number(npz *z, array *a, double value) {
    uint64_t bits;
    if (ps_is_absent(value)) value = (double)NAN;
    memcpy(&bits, &value, sizeof bits);
    return put_bits(z, a, bits, 8);
}

/* The array's head: a text of Python, so long that the values begin at a multiple of 64. */
static size_t npy_head(char *head, size_t room, array_kind kind, uint64_t rows, int columns, int width) {
    char type[32], shape[64], text[192];
    snprintf(type, sizeof type, kind == NUMBERS ? "<f8" : kind == WHOLES ? "<i8" : "<U%d", width);
    if (rows == UINT64_MAX) snprintf(shape, sizeof shape, "()");
    else if (columns == 0) snprintf(shape, sizeof shape, "(%llu,)", (unsigned long long)rows);
    else snprintf(shape, sizeof shape, "(%llu, %d)", (unsigned long long)rows, columns);
    snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", type, shape);
    size_t length = (10 + strlen(text) + 1 + 63) / 64 * 64 - 10;
    snprintf(head, room, "\x93NUMPY%c%c%c%c%-*s\n", 1, 1, 1, 1, (int)length - 1, text);
    head[7] = 0;
    head[8] = (char)(length & 0xFF);
    head[9] = (char)(length >> 8);
    return 10 + length;
}

static const uint64_t one_value = UINT64_MAX; /* rows of an array without an axis */

/* columns 0: one axis. width: characters of a text. */
static ps_status add_array(npz *z, const char *name, array_kind kind, uint64_t rows, int columns, int width,
                           int *index) {
    char head[320], *member;
    uint64_t values = (rows == one_value ? 1 : rows) * (uint64_t)(columns > 0 ? columns : 1);
    size_t length = npy_head(head, sizeof head, kind, rows, columns, width);
    array *a;
    PS_TRY(PS_GROW(&z->arrays, &z->capacity, z->count + 1, "arrays"));
    PS_TRY(PS_ALLOC(1, &a, "an array"));
    z->arrays[z->count] = a;
    *index = (int)z->count++;
    a->rows = rows;
    a->columns = columns;
    PS_TRY(ps_string_format(&member, "%s.npy", name));
    ps_status status =
        ps_zip_add(&z->zip, member, length + values * (kind == TEXTS ? 4u * (unsigned)width : 8u), &a->member);
    free(member);
    PS_TRY(status);
    memcpy(a->held, head, length);
    a->count = length;
    return PS_OK;
}

static ps_status put_text(npz *z, array *a, const char *text, int width) {
    static const unsigned char first[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    for (int k = 0; k < width; k++) {
        int length = *text != '\0' ? ps_text_utf8_length(text) : 0;
        uint32_t code = length > 0 ? (unsigned char)*text & first[length] : *text != '\0' ? 0xFFFDu : 0;
        for (int i = 1; i < length; i++) code = code << 6 | ((unsigned char)text[i] & 0x3F);
        text += length > 0 ? length : *text != '\0';
        PS_TRY(put_bits(z, a, code, 4));
    }
    return PS_OK;
}

static int characters(const char *text) {
    int count = 0;
    for (; *text != '\0'; count++) {
        int length = ps_text_utf8_length(text);
        text += length > 0 ? length : 1;
    }
    return count > 0 ? count : 1;
}

static ps_status put_whole(npz *z, int index, long long value) {
    return put_bits(z, z->arrays[index], (uint64_t)value, 8);
}

/* Rows that the trace lacks, up to this one. */
static ps_status fill(npz *z, array *a, uint64_t row) {
    for (; a->done < row; a->done++)
        for (int k = 0; k < (a->columns > 0 ? a->columns : 1); k++) PS_TRY(put_number(z, a, ps_absent()));
    return PS_OK;
}

static ps_status put_row(npz *z, int index, int row, const double *value) {
    array *a = z->arrays[index];
    PS_TRY(fill(z, a, (uint64_t)row));
    for (int k = 0; k < (a->columns > 0 ? a->columns : 1); k++) PS_TRY(put_number(z, a, value[k]));
    a->done++;
    return PS_OK;
}

/* ---- the first pass ---- */

static ps_status count_record(void *self, const ps_trace_record *record) {
    npz *z = self;
    z->steps += record->type == PS_RECORD_STEP;
    z->evals += record->type == PS_RECORD_EVAL;
    if (record->type == PS_RECORD_EVAL && characters(record->split) > z->longest_split)
        z->longest_split = characters(record->split);
    return PS_OK;
}

static ps_status note_layer(void *self, const ps_trace_record *record, const double *const *value) {
    npz *z = self;
    for (int q = 0; q < z->export->quantity_count; q++)
        if (value[q] != NULL) z->there[q * z->export->header->layer_count + record->layer] = true;
    return PS_OK;
}

/* ---- which arrays there are ---- */

static ps_status add_run(npz *z) {
    const ps_trace_header *header = z->export->header;
    int width = 1, index;
    PS_TRY(add_array(z, "seed", WHOLES, one_value, 0, 0, &index));
    PS_TRY(put_whole(z, index, header->seed));
    PS_TRY(add_array(z, "arm", TEXTS, one_value, 0, characters(header->arm), &index));
    PS_TRY(put_text(z, z->arrays[index], header->arm, characters(header->arm)));
    for (int l = 0; l < header->layer_count; l++)
        if (characters(header->layers[l].name) > width) width = characters(header->layers[l].name);
    PS_TRY(add_array(z, "layers", TEXTS, (uint64_t)header->layer_count, 0, width, &index));
    for (int l = 0; l < header->layer_count; l++) PS_TRY(put_text(z, z->arrays[index], header->layers[l].name, width));
    return PS_OK;
}

static ps_status add_scalars(npz *z) {
    const ps_trace_task *task = &z->export->header->task;
    char name[64];
    PS_TRY(add_array(z, "steps/step", WHOLES, z->steps, 0, 0, &z->step_step));
    for (int q = 0; q < PS_STEP_COUNT; q++) {
        snprintf(name, sizeof name, "steps/%s", ps_trace_step_quantities[q].name);
        PS_TRY(add_array(z, name, NUMBERS, z->steps, 0, 0, &z->step[q]));
    }
    PS_TRY(add_array(z, "evals/step", WHOLES, z->evals, 0, 0, &z->eval[EVAL_STEP]));
    PS_TRY(add_array(z, "evals/split", TEXTS, z->evals, 0, z->longest_split, &z->split));
    PS_TRY(add_array(z, "evals/loss", NUMBERS, z->evals, 0, 0, &z->eval[EVAL_LOSS]));
    PS_TRY(add_array(z, "evals/loss_batch", NUMBERS, z->evals, 0, 0, &z->eval[EVAL_LOSS_BATCH]));
    PS_TRY(add_array(z, "evals/count", WHOLES, z->evals, 0, 0, &z->eval[EVAL_COUNT]));
    for (int m = 0; m < task->measures; m++) {
        snprintf(name, sizeof name, "evals/%s", task->measure[m].name);
        PS_TRY(add_array(z, name, NUMBERS, z->evals, 0, 0, &z->measured[m]));
    }
    return PS_OK;
}

static ps_status add_windows(npz *z) {
    const ps_run *run = z->export->run;
    uint64_t windows = (uint64_t)run->window_count, probes = (uint64_t)run->probe_count;
    int first, last, step, images;
    PS_TRY(add_array(z, "windows/first", WHOLES, windows, 0, 0, &first));
    PS_TRY(add_array(z, "windows/last", WHOLES, windows, 0, 0, &last));
    for (int w = 0; w < run->window_count; w++) {
        PS_TRY(put_whole(z, first, run->windows[w].first));
        PS_TRY(put_whole(z, last, run->windows[w].last));
    }
    PS_TRY(add_array(z, "probes/step", WHOLES, probes, 0, 0, &step));
    PS_TRY(add_array(z, "probes/images", WHOLES, probes, 0, 0, &images));
    for (int p = 0; p < run->probe_count; p++) {
        PS_TRY(put_whole(z, step, run->probes[p].step));
        PS_TRY(put_whole(z, images, (long long)run->probes[p].images));
    }
    return PS_OK;
}

static ps_status add_values(npz *z, int q, int l) {
    const ps_export *export = z->export;
    const ps_export_quantity *quantity = &export->quantities[q];
    const ps_trace_layer *layer = &export->header->layers[l];
    bool window = quantity->record == PS_RECORD_WINDOW;
    int *index = &z->values[q * export->header->layer_count + l];
    char *name;
    *index = NOT_THERE;
    if (!z->there[q * export->header->layer_count + l]) return PS_OK;
    PS_TRY(ps_string_format(&name, "%s/%s/%s", window ? "windows" : "probes", quantity->name, layer->name));
    ps_status status =
        add_array(z, name, NUMBERS, (uint64_t)(window ? export->run->window_count : export->run->probe_count),
                  quantity->per_node ? layer->channels : 0, 0, index);
    free(name);
    return status;
}

static ps_status add_dead(npz *z, int l) {
    const ps_export *export = z->export;
    char *name;
    z->dead[l] = NOT_THERE;
    if (!export->run->in_probes[l]) return PS_OK;
    PS_TRY(ps_string_format(&name, "probes/dead/%s", export->header->layers[l].name));
    ps_status status = add_array(z, name, NUMBERS, (uint64_t)export->run->probe_count,
                                 export->header->layers[l].channels, 0, &z->dead[l]);
    free(name);
    return status;
}

static ps_status plan(npz *z) {
    const ps_export *export = z->export;
    size_t pairs = (size_t)export->quantity_count * (size_t)export->header->layer_count + 1;
    const ps_export_visitor visitor = {z, count_record, note_layer};
    PS_TRY(PS_ALLOC(pairs, &z->there, "a list of arrays"));
    PS_TRY(PS_ALLOC(pairs, &z->values, "a list of arrays"));
    PS_TRY(PS_ALLOC((size_t)export->header->layer_count + 1, &z->dead, "a list of arrays"));
    z->longest_split = 1;
    PS_TRY(ps_export_stream(export, &visitor));
    PS_TRY(add_run(z));
    PS_TRY(add_scalars(z));
    PS_TRY(add_windows(z));
    for (int q = 0; q < export->quantity_count; q++)
        for (int l = 0; l < export->header->layer_count; l++) PS_TRY(add_values(z, q, l));
    for (int l = 0; l < export->header->layer_count; l++) PS_TRY(add_dead(z, l));
    return PS_OK;
}

/* ---- the second pass ---- */

static ps_status take_record(void *self, const ps_trace_record *record) {
    npz *z = self;
    double value[PS_STEP_COUNT];
    ps_export_evaluation evaluation;
    if (record->type == PS_RECORD_STEP) {
        ps_export_step_read(record, value);
        PS_TRY(put_whole(z, z->step_step, (long long)record->step));
        for (int q = 0; q < PS_STEP_COUNT; q++) PS_TRY(put_number(z, z->arrays[z->step[q]], value[q]));
    }
    if (record->type != PS_RECORD_EVAL) return PS_OK;
    PS_TRY(ps_export_evaluation_read(record, &evaluation));
    PS_TRY(put_whole(z, z->eval[EVAL_STEP], (long long)record->step));
    PS_TRY(put_text(z, z->arrays[z->split], record->split, z->longest_split));
    PS_TRY(put_number(z, z->arrays[z->eval[EVAL_LOSS]], evaluation.loss));
    PS_TRY(put_number(z, z->arrays[z->eval[EVAL_LOSS_BATCH]], evaluation.loss_batch));
    PS_TRY(put_whole(z, z->eval[EVAL_COUNT], (long long)record->count));
    for (int m = 0; m < z->export->header->task.measures; m++)
        PS_TRY(put_number(z, z->arrays[z->measured[m]], evaluation.measured[m]));
    return PS_OK;
}

/* 1: dead, 0: not, NaN: not known, or on the edge. */
static ps_status put_dead(npz *z, const ps_trace_layer *layer, int index) {
    array *a = z->arrays[index];
    PS_TRY(fill(z, a, (uint64_t)z->probe));
    for (int k = 0; k < layer->channels; k++) {
        unsigned state = ps_run_node_state(z->export->run, z->probe, layer->first_node + k);
        bool known = ps_state_known(state) && !ps_state_edge(state);
        PS_TRY(put_number(z, a, known ? (double)ps_state_dead(state) : ps_absent()));
    }
    a->done++;
    return PS_OK;
}

static ps_status take_layer(void *self, const ps_trace_record *record, const double *const *value) {
    npz *z = self;
    const ps_run *run = z->export->run;
    const ps_trace_header *header = z->export->header;
    bool window = record->type == PS_RECORD_WINDOW;
    while (window && z->window < run->window_count - 1 && (double)run->windows[z->window].window < record->window)
        z->window++;
    while (!window && z->probe < run->probe_count - 1 && (double)run->probes[z->probe].step < record->step) z->probe++;
    for (int q = 0; q < z->export->quantity_count; q++)
        if (value[q] != NULL)
            PS_TRY(put_row(z, z->values[q * header->layer_count + record->layer], window ? z->window : z->probe,
                           value[q]));
    if (window || z->dead[record->layer] == NOT_THERE) return PS_OK;
    return put_dead(z, &header->layers[record->layer], z->dead[record->layer]);
}

static ps_status end_values(npz *z, int index) {
    return index == NOT_THERE ? PS_OK : fill(z, z->arrays[index], z->arrays[index]->rows);
}

static ps_status write_arrays(npz *z) {
    const ps_export_visitor visitor = {z, take_record, take_layer};
    int layers = z->export->header->layer_count;
    PS_TRY(ps_export_add(z->export, "run.npz", &z->zip.stream));
    PS_TRY(plan(z));
    PS_TRY(ps_export_stream(z->export, &visitor));
    for (int i = 0; i < z->export->quantity_count * layers; i++) PS_TRY(end_values(z, z->values[i]));
    for (int l = 0; l < layers; l++) PS_TRY(end_values(z, z->dead[l]));
    for (size_t i = 0; i < z->count; i++) PS_TRY(hand_on(z, z->arrays[i]));
    return ps_zip_finish(&z->zip);
}

ps_status ps_export_write_npz(const ps_export *export) {
    npz *z;
    PS_TRY(PS_ALLOC(1, &z, "arrays"));
    z->export = export;
    ps_status status = write_arrays(z);
    for (size_t i = 0; i < z->count; i++) ps_free(z->arrays[i]);
    ps_free_array(z->arrays);
    ps_free(z->there);
    ps_free(z->values);
    ps_free(z->dead);
    ps_zip_clear(&z->zip);
    ps_free(z);
    return status;
}
