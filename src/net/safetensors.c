#include "net/safetensors.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"

enum { MOST_DIMS = 8, CHUNK_BYTES = 1 << 16 };
static const uint64_t largest_header = 100u << 20; /* the limit of the format's own library */

typedef enum { F32, F64, F16, BF16, OTHER } number_type;
static const struct {
    const char *name;
    uint64_t size_bytes;
    number_type type;
} number_types[] = {{"F32", 4, F32},   {"F64", 8, F64},   {"F16", 2, F16},   {"BF16", 2, BF16}, {"I64", 8, OTHER},
                    {"I32", 4, OTHER}, {"I16", 2, OTHER}, {"I8", 1, OTHER},  {"U64", 8, OTHER}, {"U32", 4, OTHER},
                    {"U16", 2, OTHER}, {"U8", 1, OTHER},  {"BOOL", 1, OTHER}};
enum { NUMBER_TYPES = sizeof number_types / sizeof *number_types };

typedef struct {
    const char *name; /* in the header's JSON tree */
    int type, rank;   /* type: index into number_types */
    int64_t dims[MOST_DIMS];
    uint64_t count, begin, end; /* elements; bytes within the data part */
} tensor;

struct ps_tensor_file {
    char *path;
    FILE *stream;
    cJSON *header;
    tensor *tensors;
    int count;
    uint64_t data_start, data_bytes;
};

/* ---- header ---- */

/* A whole number from 0 to 2^53, which is as far as cJSON's doubles are exact. */
static bool whole_number(const cJSON *item, uint64_t *value) {
    if (!cJSON_IsNumber(item)) return false;
    double number = item->valuedouble;
    if (!(number >= 0 && number <= 9007199254740992.0) || number != floor(number)) return false;
    *value = (uint64_t)number;
    return true;
}

static ps_status parse_shape(const char *path, const cJSON *entry, tensor *t) {
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape"), *item;
    if (!cJSON_IsArray(shape))
        return ps_fail(PS_ERR_INPUT, "%s: tensor \"%.200s\" has no \"shape\" array", path, t->name);
    t->count = 1;
    cJSON_ArrayForEach(item, shape) {
        uint64_t side;
        if (t->rank == MOST_DIMS)
            return ps_fail(PS_ERR_INPUT, "%s: tensor \"%.200s\" has more than %d dimensions", path, t->name, MOST_DIMS);
        if (!whole_number(item, &side))
            return ps_fail(PS_ERR_INPUT, "%s: tensor \"%.200s\" has a dimension that is no whole number", path,
                           t->name);
        if (side != 0 && t->count > (UINT64_MAX >> 4) / side)
            return ps_fail(PS_ERR_INPUT, "%s: tensor \"%.200s\" claims more elements than any file holds", path,
                           t->name);
        t->dims[t->rank++] = (int64_t)side;
        t->count *= side;
    }
    return PS_OK;
}

static ps_status parse_offsets(const ps_tensor_file *file, const cJSON *entry, tensor *t) {
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    const cJSON *first = cJSON_IsArray(offsets) ? offsets->child : NULL;
    const cJSON *second = first != NULL ? first->next : NULL;
    if (second == NULL || second->next != NULL || !whole_number(first, &t->begin) || !whole_number(second, &t->end) ||
        t->begin > t->end)
        return ps_fail(PS_ERR_INPUT, "%s: tensor \"%.200s\" has no valid \"data_offsets\" [begin, end]", file->path,
                       t->name);
    if (t->end > file->data_bytes)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: tensor \"%.200s\" ends at byte %llu of the data, but the file has only %llu; is it cut short?",
            file->path, t->name, (unsigned long long)t->end, (unsigned long long)file->data_bytes);
    uint64_t size = number_types[t->type].size_bytes * t->count;
    if (t->end - t->begin != size)
        return ps_fail(PS_ERR_INPUT, "%s: tensor \"%.200s\" has %llu bytes of data where its shape and type need %llu",
                       file->path, t->name, (unsigned long long)(t->end - t->begin), (unsigned long long)size);
    return PS_OK;
}

static ps_status parse_tensor(const ps_tensor_file *file, const cJSON *entry, tensor *t) {
    t->name = entry->string;
    if (!cJSON_IsObject(entry))
        return ps_fail(PS_ERR_INPUT, "%s: the entry \"%.200s\" is no object", file->path, t->name);
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(entry, "dtype");
    for (t->type = 0; t->type < NUMBER_TYPES; t->type++)
        if (cJSON_IsString(dtype) && strcmp(dtype->valuestring, number_types[t->type].name) == 0) break;
    if (t->type == NUMBER_TYPES)
        return ps_fail(PS_ERR_INPUT, "%s: tensor \"%.200s\" has the unknown number type \"%.20s\"", file->path, t->name,
                       cJSON_IsString(dtype) ? dtype->valuestring : "");
    PS_TRY(parse_shape(file->path, entry, t));
    return parse_offsets(file, entry, t);
}

static int by_begin(const void *a, const void *b) {
    const tensor *x = *(const tensor *const *)a, *y = *(const tensor *const *)b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const tensor *)a)->name, ((const tensor *)b)->name);
}

static ps_status refuse_overlap(const ps_tensor_file *file, const tensor *a, const tensor *b) {
    if (a->begin == b->begin && a->end == b->end)
        return ps_fail(PS_ERR_INPUT,
                       "%s: tensors \"%.160s\" and \"%.160s\" share their data (they overlap), which the format does "
                       "not allow; save a copy of each: {name: w.clone() for name, w in model.state_dict().items()}",
                       file->path, a->name, b->name);
    return ps_fail(PS_ERR_INPUT, "%s: the data of tensors \"%.200s\" and \"%.200s\" overlap", file->path, a->name,
                   b->name);
}

/* What lies behind the last tensor is of nobody: another file's end, or that of a longer one written over. */
static ps_status check_end(const ps_tensor_file *file) {
    uint64_t end = 0;
    for (int i = 0; i < file->count; i++)
        if (file->tensors[i].end > end) end = file->tensors[i].end;
    if (end == file->data_bytes) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s: has %llu bytes of data where the tensors of its header have %llu, so it is not as it was "
                   "written; copy or save it again",
                   file->path, (unsigned long long)file->data_bytes, (unsigned long long)end);
}

static ps_status check_overlaps(const ps_tensor_file *file) {
    const tensor **order;
    ps_status status = PS_OK;
    PS_TRY(PS_ALLOC((size_t)file->count, &order, file->path));
    for (int i = 0; i < file->count; i++) order[i] = &file->tensors[i];
    if (file->count > 0) qsort(order, (size_t)file->count, sizeof *order, by_begin);
    for (int i = 1; i < file->count && status == PS_OK; i++)
        if (order[i]->begin < order[i - 1]->end) status = refuse_overlap(file, order[i - 1], order[i]);
    ps_free(order);
    return status;
}

static ps_status check_metadata(const ps_tensor_file *file, const cJSON *metadata) {
    const cJSON *item;
    if (!cJSON_IsObject(metadata)) return ps_fail(PS_ERR_INPUT, "%s: \"__metadata__\" is no object", file->path);
    cJSON_ArrayForEach(item, metadata) if (!cJSON_IsString(item)) return ps_fail(
        PS_ERR_INPUT, "%s: \"__metadata__\" holds \"%.200s\", which is no text", file->path, item->string);
    return PS_OK;
}

/* Tensors are kept sorted by name, so that look-ups are quick and equal names stand side by side. */
static ps_status parse_header(ps_tensor_file *file) {
    const cJSON *entry;
    bool metadata = false;
    if (!cJSON_IsObject(file->header)) return ps_fail(PS_ERR_INPUT, "%s: its header is no JSON object", file->path);
    PS_TRY(PS_ALLOC((size_t)cJSON_GetArraySize(file->header), &file->tensors, file->path));
    cJSON_ArrayForEach(entry, file->header) {
        if (strcmp(entry->string, "__metadata__") == 0) {
            if (metadata) return ps_fail(PS_ERR_INPUT, "%s: \"__metadata__\" stands twice in its header", file->path);
            metadata = true;
            PS_TRY(check_metadata(file, entry));
        } else {
            PS_TRY(parse_tensor(file, entry, &file->tensors[file->count]));
            file->count++;
        }
    }
    if (file->count > 0) qsort(file->tensors, (size_t)file->count, sizeof *file->tensors, by_name);
    for (int i = 1; i < file->count; i++)
        if (strcmp(file->tensors[i - 1].name, file->tensors[i].name) == 0)
            return ps_fail(PS_ERR_INPUT, "%s: two tensors are named \"%.200s\"", file->path, file->tensors[i].name);
    PS_TRY(check_overlaps(file));
    return check_end(file);
}

static ps_status read_header(ps_tensor_file *file, uint64_t file_bytes) {
    unsigned char length_bytes[8];
    uint64_t length = 0;
    if (file_bytes < 8 || fread(length_bytes, 1, 8, file->stream) != 8)
        return ps_fail(PS_ERR_INPUT, "%s: is too short for a safetensors file", file->path);
    for (int i = 7; i >= 0; i--) length = length << 8 | length_bytes[i];
    if (length > largest_header || length > file_bytes - 8)
        return ps_fail(PS_ERR_INPUT,
                       "%s: claims a header of %llu bytes in a file of %llu; it is no safetensors file, or cut short",
                       file->path, (unsigned long long)length, (unsigned long long)file_bytes);
    file->data_start = 8 + length;
    file->data_bytes = file_bytes - file->data_start;
    char *text = malloc((size_t)length + 1);
    if (text == NULL) return ps_fail(PS_ERR_MEMORY, "%s: could not allocate its header", file->path);
    ps_status status;
    if (fread(text, 1, (size_t)length, file->stream) != length) {
        status = ps_fail(PS_ERR_IO, "%s: its header could not be read", file->path);
    } else {
        text[length] = '\0';
        status = strlen(text) == length ? ps_json_parse(text, file->path, &file->header)
                                        : ps_fail(PS_ERR_INPUT, "%s: its header holds a zero byte", file->path);
    }
    free(text);
    return status;
}

/* The line in the sentence is whole but for the names of files (tests/python runs it). */
static ps_status refuse_pickle(const char *path) {
    return ps_fail(PS_ERR_INPUT,
                   "%s: is a file of torch.save (pickle, in a zip archive since 1.6), and weights are read as "
                   "safetensors; write them in Python: import torch, safetensors.torch as s; w = torch.load(\"FILE\", "
                   "map_location=\"cpu\"); s.save_file({k: v.contiguous().clone() for k, v in w.get(\"state_dict\", "
                   "w).items()}, \"weights.safetensors\")",
                   path);
}

ps_status ps_tensor_file_open(const char *path, ps_tensor_file **out) {
    ps_status status;
    uint64_t file_bytes;
    *out = NULL;
    PS_TRY(ps_file_size(path, &file_bytes));
    if (ps_file_is_pickle(path)) return refuse_pickle(path);
    ps_tensor_file *file;
    PS_TRY(PS_ALLOC(1, &file, path));
    PS_TRY_CLEANUP(ps_string_copy(path, &file->path));
    file->stream = fopen(path, "rb");
    if (file->stream == NULL) {
        status = ps_fail(PS_ERR_IO, "%s: cannot be opened; check the path and its permissions", path);
        goto cleanup;
    }
    PS_TRY_CLEANUP(read_header(file, file_bytes));
    PS_TRY_CLEANUP(parse_header(file));
    *out = file;
cleanup:
    if (status != PS_OK) ps_tensor_file_close(file);
    return status;
}

void ps_tensor_file_close(ps_tensor_file *file) {
    if (file == NULL) return;
    if (file->stream != NULL) fclose(file->stream);
    cJSON_Delete(file->header);
    ps_free(file->tensors);
    free(file->path);
    ps_free(file);
}

int ps_tensor_file_count(const ps_tensor_file *file) { return file->count; }

const char *ps_tensor_file_name(const ps_tensor_file *file, int index) { return file->tensors[index].name; }

int ps_tensor_file_find(const ps_tensor_file *file, const char *name) {
    const tensor key = {.name = name};
    const tensor *found =
        file->count > 0 ? bsearch(&key, file->tensors, (size_t)file->count, sizeof *file->tensors, by_name) : NULL;
    return found != NULL ? (int)(found - file->tensors) : -1;
}

void ps_tensor_file_shape(const ps_tensor_file *file, int index, int *rank, int64_t *dims) {
    *rank = file->tensors[index].rank;
    memcpy(dims, file->tensors[index].dims, (size_t)*rank * sizeof *dims);
}

const char *ps_tensor_file_metadata(const ps_tensor_file *file, const char *key) {
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(file->header, "__metadata__");
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(metadata, key);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

/* ---- data ---- */

static float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float from_half(uint32_t half) {
    uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ffu;
    if (exponent == 31) return float_of_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent != 0) return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float value = (float)fraction * 0x1p-24f; /* zero and subnormals, exactly */
    return sign != 0 ? -value : value;
}

/* Little-endian whatever the machine is. */
static float decode(const unsigned char *p, number_type type) {
    uint64_t bits = 0;
    double wide;
    for (int i = (type == F64 ? 8 : type == F32 ? 4 : 2) - 1; i >= 0; i--) bits = bits << 8 | p[i];
    switch (type) {
        case F64: memcpy(&wide, &bits, sizeof wide); return (float)wide;
        case F16: return from_half((uint32_t)bits);
        case BF16: return float_of_bits((uint32_t)bits << 16);
        default: return float_of_bits((uint32_t)bits);
    }
}

ps_status ps_tensor_file_read_float(const ps_tensor_file *file, int index, float *out, size_t count) {
    const tensor *t = &file->tensors[index];
    const char *type_name = number_types[t->type].name;
    if (number_types[t->type].type == OTHER)
        return ps_fail(PS_ERR_INPUT,
                       "%s: tensor \"%.200s\" holds %s numbers; only F32, F64, F16 and BF16 can be read as weights",
                       file->path, t->name, type_name);
    if (t->count != count)
        return ps_fail(PS_ERR_INPUT, "%s: tensor \"%.200s\" has %llu elements where %zu are needed", file->path,
                       t->name, (unsigned long long)t->count, count);
    if (fseeko(file->stream, (off_t)(file->data_start + t->begin), SEEK_SET) != 0)
        return ps_fail(PS_ERR_IO, "%s: tensor \"%.200s\" could not be reached in the file", file->path, t->name);
    unsigned char chunk[CHUNK_BYTES];
    size_t size = (size_t)number_types[t->type].size_bytes, most = sizeof chunk / size;
    for (size_t done = 0; done < count;) {
        size_t now = count - done < most ? count - done : most;
        if (fread(chunk, size, now, file->stream) != now)
            return ps_fail(PS_ERR_IO, "%s: tensor \"%.200s\" could not be read whole", file->path, t->name);
        for (size_t i = 0; i < now; i++) out[done + i] = decode(chunk + i * size, number_types[t->type].type);
        done += now;
    }
    return PS_OK;
}

/* ---- digests ---- */

/* Of all but the data. */
static ps_digest start_digest(const char *name, const char *type, int rank, const int64_t *dims) {
    ps_digest digest = ps_digest_start();
    ps_digest_text(&digest, name);
    ps_digest_u64(&digest, (uint64_t)rank); /* also keeps name and type apart */
    ps_digest_text(&digest, type);
    for (int k = 0; k < rank; k++) ps_digest_u64(&digest, (uint64_t)dims[k]);
    return digest;
}

static ps_status digest_tensor(const ps_tensor_file *file, const tensor *t, uint64_t *value) {
    unsigned char chunk[CHUNK_BYTES];
    ps_digest digest = start_digest(t->name, number_types[t->type].name, t->rank, t->dims);
    if (fseeko(file->stream, (off_t)(file->data_start + t->begin), SEEK_SET) != 0)
        return ps_fail(PS_ERR_IO, "%s: tensor \"%.200s\" could not be reached in the file", file->path, t->name);
    for (uint64_t left = t->end - t->begin; left > 0;) {
        size_t now = left < sizeof chunk ? (size_t)left : sizeof chunk;
        if (fread(chunk, 1, now, file->stream) != now)
            return ps_fail(PS_ERR_IO, "%s: tensor \"%.200s\" could not be read whole", file->path, t->name);
        ps_digest_block(&digest, chunk, now);
        left -= now;
    }
    *value = ps_digest_value(&digest);
    return PS_OK;
}

/* A sum has no order: readers sort the tensors by name, writers have them as they were added. */
ps_status ps_tensor_file_digest(const ps_tensor_file *file, uint64_t *digest) {
    *digest = 0;
    for (int i = 0; i < file->count; i++) {
        uint64_t one;
        PS_TRY(digest_tensor(file, &file->tensors[i], &one));
        *digest += one;
    }
    return PS_OK;
}

/* ---- writing ---- */

typedef struct {
    char *name;
    int rank;
    int64_t dims[MOST_DIMS];
    size_t count;
    const float *data;
} written;

struct ps_tensor_writer {
    written *tensor;
    size_t capacity;
    int count;
    cJSON *metadata; /* object of texts; NULL: none yet */
};

ps_status ps_tensor_writer_create(ps_tensor_writer **out) { return PS_ALLOC(1, out, "weights file"); }

void ps_tensor_writer_destroy(ps_tensor_writer *writer) {
    if (writer == NULL) return;
    for (int i = 0; i < writer->count; i++) free(writer->tensor[i].name);
    ps_free_array(writer->tensor);
    cJSON_Delete(writer->metadata);
    ps_free(writer);
}

ps_status ps_tensor_writer_metadata(ps_tensor_writer *writer, const char *key, const char *value) {
    if (writer->metadata == NULL) writer->metadata = cJSON_CreateObject();
    cJSON_DeleteItemFromObjectCaseSensitive(writer->metadata, key);
    if (cJSON_AddStringToObject(writer->metadata, key, value) == NULL)
        return ps_fail(PS_ERR_MEMORY, "weights file: could not allocate its metadata");
    return PS_OK;
}

ps_status ps_tensor_writer_add(ps_tensor_writer *writer, const char *name, int rank, const int64_t *dims,
                               const float *data) {
    if (rank < 0 || rank > MOST_DIMS)
        return ps_fail(PS_ERR_INTERNAL, "weights file: tensor \"%s\" has rank %d; the most is %d", name, rank,
                       MOST_DIMS);
    if (strcmp(name, "__metadata__") == 0)
        return ps_fail(PS_ERR_INPUT,
                       "weights file: no tensor can be named \"__metadata__\", which the format keeps for itself");
    for (int i = 0; i < writer->count; i++)
        if (strcmp(writer->tensor[i].name, name) == 0)
            return ps_fail(PS_ERR_INPUT, "weights file: two tensors are named \"%s\"", name);
    PS_TRY(PS_GROW(&writer->tensor, &writer->capacity, (size_t)writer->count + 1, "weights file"));
    written *t = &writer->tensor[writer->count];
    PS_TRY(ps_string_copy(name, &t->name));
    t->rank = rank;
    t->count = 1;
    t->data = data;
    for (int k = 0; k < rank; k++) {
        t->dims[k] = dims[k];
        t->count *= (size_t)dims[k];
    }
    writer->count++;
    return PS_OK;
}

static void print_header(const ps_tensor_writer *writer, FILE *stream) {
    const char *comma = "";
    const cJSON *item;
    uint64_t at = 0;
    putc('{', stream);
    if (writer->metadata != NULL) {
        fputs("\"__metadata__\":{", stream);
        cJSON_ArrayForEach(item, writer->metadata) {
            if (item != writer->metadata->child) putc(',', stream);
            ps_json_print_text(stream, item->string);
            putc(':', stream);
            ps_json_print_text(stream, item->valuestring);
        }
        putc('}', stream);
        comma = ",";
    }
    for (int i = 0; i < writer->count; i++, comma = ",") {
        const written *t = &writer->tensor[i];
        uint64_t end = at + (uint64_t)t->count * sizeof(float);
        fputs(comma, stream);
        ps_json_print_text(stream, t->name);
        fputs(":{\"dtype\":\"F32\",\"shape\":[", stream);
        for (int k = 0; k < t->rank; k++) fprintf(stream, "%s%lld", k > 0 ? "," : "", (long long)t->dims[k]);
        fprintf(stream, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at, (unsigned long long)end);
        at = end;
    }
    putc('}', stream);
}

static void write_little_endian(FILE *stream, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) putc((int)(value >> 8 * i & 0xff), stream);
}

/* Such a machine has the bytes of numbers in the file's order already. */
static bool is_little_endian(void) {
    const uint16_t probe = 1;
    return *(const unsigned char *)&probe == 1;
}

static void write_data(const written *t, FILE *stream) {
    if (t->count == 0) return; /* its data pointer may be NULL */
    if (is_little_endian()) {
        fwrite(t->data, sizeof(float), t->count, stream);
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        uint32_t bits;
        memcpy(&bits, &t->data[i], sizeof bits);
        write_little_endian(stream, bits, 4);
    }
}

/* The data as they stand in the file: little-endian. */
static void digest_floats(ps_digest *digest, const float *data, size_t count) {
    unsigned char chunk[CHUNK_BYTES];
    const size_t most = sizeof chunk / 4;
    if (is_little_endian()) {
        ps_digest_block(digest, data, 4 * count);
        return;
    }
    for (size_t done = 0; done < count;) {
        size_t now = count - done < most ? count - done : most;
        for (size_t i = 0; i < now; i++) {
            uint32_t bits;
            memcpy(&bits, &data[done + i], sizeof bits);
            for (int b = 0; b < 4; b++) chunk[4 * i + (size_t)b] = (unsigned char)(bits >> 8 * b);
        }
        ps_digest_block(digest, chunk, 4 * now);
        done += now;
    }
}

uint64_t ps_tensor_writer_digest(const ps_tensor_writer *writer) {
    uint64_t sum = 0;
    for (int i = 0; i < writer->count; i++) {
        const written *t = &writer->tensor[i];
        ps_digest digest = start_digest(t->name, "F32", t->rank, t->dims);
        digest_floats(&digest, t->data, t->count);
        sum += ps_digest_value(&digest);
    }
    return sum;
}

ps_status ps_tensor_writer_finish(ps_tensor_writer *writer, const char *path) {
    char *header = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&header, &length);
    if (memory == NULL) return ps_fail(PS_ERR_MEMORY, "%s: could not allocate the header", path);
    print_header(writer, memory);
    PS_TRY(ps_memory_stream_close(memory, &header, "the header of a weights file"));
    ps_file_writer file;
    ps_status status = ps_file_writer_open(&file, path);
    if (status == PS_OK) {
        size_t padding = (8 - length % 8) % 8; /* data start at a multiple of 8, as the format's library writes them */
        write_little_endian(file.stream, length + padding, 8);
        fwrite(header, 1, length, file.stream);
        for (size_t i = 0; i < padding; i++) putc(' ', file.stream);
        for (int i = 0; i < writer->count; i++) write_data(&writer->tensor[i], file.stream);
        status = ps_file_writer_commit(&file);
    }
    free(header);
    return status;
}
