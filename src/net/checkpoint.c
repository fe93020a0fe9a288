#include "net/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/json.h"
#include "core/memory.h"

static const char *const OPTIMISER_PREFIX = "optimiser/";
static const char backbone_prefix[] = "backbone."; /* of parameters, in networks that have such a part */

/* ---- writing ---- */

/* Of reordered weights the copies stand in place of their gradients until the file is finished: as large, and of no use
 * between steps. */
static ps_status add_weights(ps_tensor_writer *writer, ps_net *net) {
    for (int i = 0; i < ps_net_param_count(net); i++) {
        const ps_param *p = ps_net_param(net, i);
        int64_t dims[5];
        for (int d = 0; d < p->spec.rank; d++) dims[d] = p->spec.dims[d];
        const float *data = p->value;
        if (ps_param_is_reordered(&p->spec)) {
            ps_param_to_file_order(&p->spec, p->value, p->grad);
            data = p->grad;
        }
        PS_TRY(ps_tensor_writer_add(writer, p->file_name, p->spec.rank, dims, data));
    }
    return PS_OK;
}

static ps_status add_optimiser(ps_tensor_writer *writer, ps_optimiser *optimiser) {
    ps_state_array array;
    for (int i = 0; ps_optimiser_state(optimiser, i, &array); i++) {
        char name[256];
        int64_t count = (int64_t)array.count;
        snprintf(name, sizeof name, "%s%s", OPTIMISER_PREFIX, array.name);
        PS_TRY(ps_tensor_writer_add(writer, name, 1, &count, array.data));
    }
    return PS_OK;
}

/* ---- digests ---- */

static ps_digest state_digest(uint64_t tensors, uint64_t step) {
    ps_digest digest = ps_digest_start();
    ps_digest_u64(&digest, tensors);
    ps_digest_u64(&digest, step);
    return digest;
}

/* Of everything; the lengths keep the texts apart. */
static ps_digest whole_digest(ps_digest state, const char *graph, const char *config) {
    ps_digest_u64(&state, strlen(graph));
    ps_digest_text(&state, graph);
    ps_digest_text(&state, config);
    return state;
}

static ps_status add_digest(ps_tensor_writer *writer, const char *key, ps_digest digest) {
    char hex[17];
    ps_digest_hex(&digest, hex);
    return ps_tensor_writer_metadata(writer, key, hex);
}

static ps_status add_digests(ps_tensor_writer *writer, uint64_t step, const char *graph, const char *config) {
    ps_digest state = state_digest(ps_tensor_writer_digest(writer), step);
    PS_TRY(add_digest(writer, "state", state));
    return add_digest(writer, "digest", whole_digest(state, graph, config));
}

static ps_status add_metadata(ps_tensor_writer *writer, const ps_graph *graph, uint64_t step, const char *config) {
    char *text = NULL, number[32];
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (stream == NULL) return ps_fail(PS_ERR_MEMORY, "checkpoint: no memory for the network's description");
    ps_status status = ps_graph_write(graph, stream);
    ps_status closed = ps_memory_stream_close(stream, &text, "the network's description");
    if (status == PS_OK) status = closed;
    snprintf(number, sizeof number, "%" PRIu64, step);
    if (status == PS_OK) status = ps_tensor_writer_metadata(writer, "format", "poolscope-checkpoint");
    if (status == PS_OK) status = ps_tensor_writer_metadata(writer, "step", number);
    if (status == PS_OK) status = ps_tensor_writer_metadata(writer, "graph", text);
    if (status == PS_OK) status = ps_tensor_writer_metadata(writer, "config", config);
    if (status == PS_OK) status = add_digests(writer, step, text, config);
    free(text);
    return status;
}

ps_status ps_checkpoint_write(const char *path, const ps_graph *graph, ps_net *net, ps_optimiser *optimiser,
                              uint64_t step, const char *config) {
    ps_tensor_writer *writer = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_tensor_writer_create(&writer));
    PS_TRY_CLEANUP(add_weights(writer, net));
    if (optimiser != NULL) PS_TRY_CLEANUP(add_optimiser(writer, optimiser));
    if (graph != NULL) PS_TRY_CLEANUP(add_metadata(writer, graph, step, config));
    status = ps_tensor_writer_finish(writer, path);
cleanup:
    ps_tensor_writer_destroy(writer);
    return status;
}

/* ---- reading ---- */

/* What torch.compile, FSDP and activation checkpointing put into the names below what they wrap; no module of a user is
 * called so. ("module.", of DataParallel, is a name like others: it is left out as a prefix alone.) */
static const char *const wrappers[] = {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."};

/* A file, its names without the words of wrappers, and the prefix that all of them share. */
typedef struct {
    const ps_tensor_file *file;
    const char *path;
    ps_weights_note note;
    char **name; /* as many as tensors */
    bool alone;  /* it holds a backbone by itself */
} weight_file;

static const char *wrapper_at(const char *name, const char *p) {
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers && (p == name || p[-1] == '.'); i++)
        if (strncmp(p, wrappers[i], strlen(wrappers[i])) == 0) return wrappers[i];
    return NULL;
}

static void leave_out_wrappers(char *name, const char **found) {
    char *to = name;
    for (const char *p = name; *p != '\0';) {
        const char *wrapper = wrapper_at(name, p);
        if (wrapper == NULL) {
            *to++ = *p++;
            continue;
        }
        *found = wrapper;
        p += strlen(wrapper);
    }
    *to = '\0';
}

static ps_status open_weights(const char *path, const ps_tensor_file *file, weight_file *w) {
    *w = (weight_file){.file = file, .path = path};
    int count = ps_tensor_file_count(file);
    PS_TRY(PS_ALLOC((size_t)count + 1, &w->name, path));
    for (int i = 0; i < count; i++) {
        PS_TRY(ps_string_copy(ps_tensor_file_name(file, i), &w->name[i]));
        leave_out_wrappers(w->name[i], &w->note.wrapper);
    }
    return PS_OK;
}

static void close_weights(weight_file *w) {
    for (int i = 0; w->name != NULL && w->name[i] != NULL; i++) free(w->name[i]);
    ps_free(w->name);
}

static int find_name(const weight_file *w, const char *name) {
    int index = ps_tensor_file_find(w->file, name);
    for (int i = 0; index < 0 && w->note.wrapper != NULL && i < ps_tensor_file_count(w->file); i++)
        if (strcmp(w->name[i], name) == 0) index = i;
    return index;
}

static int find_weight(const weight_file *w, const char *name) {
    char whole[512];
    snprintf(whole, sizeof whole, "%s%s", w->note.prefix, name);
    return find_name(w, whole);
}

/* Of parameters that share their memory, safetensors.torch.save_model keeps one, and notes the others' names. */
static int find_shared(const weight_file *w, const char *name) {
    char whole[512];
    snprintf(whole, sizeof whole, "%s%s", w->note.prefix, name);
    const char *kept = ps_tensor_file_metadata(w->file, whole);
    return kept != NULL ? find_name(w, kept) : -1;
}

static bool is_of_backbone(const ps_param *p) {
    return !p->module && strncmp(p->name, backbone_prefix, strlen(backbone_prefix)) == 0;
}

/* As torchvision names what stands behind "backbone." in a network: without that, and MobileNetV2 in one part. */
static int find_alone(const weight_file *w, const char *name) {
    static const char *const parts[] = {"low_level_features.", "high_level_features."};
    const char *alone = name + strlen(backbone_prefix);
    char joined[512];
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strncmp(alone, parts[i], strlen(parts[i])) != 0) continue;
        snprintf(joined, sizeof joined, "features.%s", alone + strlen(parts[i]));
        return find_name(w, joined);
    }
    return find_name(w, alone);
}

/* Judged by the first parameter of the backbone. */
static bool holds_backbone_alone(const weight_file *w, ps_net *net) {
    for (int i = 0; i < ps_net_param_count(net); i++) {
        const ps_param *p = ps_net_param(net, i);
        if (!p->learned || !is_of_backbone(p)) continue;
        return find_weight(w, p->name) < 0 && find_weight(w, p->file_name) < 0 && find_alone(w, p->name) >= 0;
    }
    return false;
}

static bool holds_modules(const weight_file *w, ps_net *net) {
    for (int i = 0; i < ps_net_param_count(net); i++)
        if (ps_net_param(net, i)->module && find_weight(w, ps_net_param(net, i)->file_name) >= 0) return true;
    return false;
}

static void format_shape(char *text, size_t size, int rank, const int64_t *dims) {
    snprintf(text, size, "[");
    for (int d = 0; d < rank; d++)
        snprintf(text + strlen(text), size - strlen(text), "%s%lld", d ? ", " : "", (long long)dims[d]);
    snprintf(text + strlen(text), size - strlen(text), "]");
}

static bool same_shape(const ps_tensor_file *file, int index, const ps_param *p) {
    int rank;
    int64_t dims[8];
    ps_tensor_file_shape(file, index, &rank, dims);
    bool same = rank == p->spec.rank;
    for (int d = 0; d < p->spec.rank && same; d++) same = dims[d] == p->spec.dims[d];
    return same;
}

static ps_status read_weight(const ps_tensor_file *file, int index, ps_param *p) {
    if (!ps_param_is_reordered(&p->spec)) return ps_tensor_file_read_float(file, index, p->value, p->count);
    float *scratch = NULL;
    PS_TRY(PS_ALLOC(p->count, &scratch, p->name));
    ps_status status = ps_tensor_file_read_float(file, index, scratch, p->count);
    if (status == PS_OK) ps_param_to_memory_order(&p->spec, scratch, p->value);
    ps_free(scratch);
    return status;
}

/* PyTorch keeps a step counter beside running statistics, and averaged models count what they average; neither decides
 * anything here. */
static bool ignorable(const char *name) {
    const char *dot = strrchr(name, '.');
    return strncmp(name, OPTIMISER_PREFIX, strlen(OPTIMISER_PREFIX)) == 0 || strcmp(name, "n_averaged") == 0 ||
           (dot != NULL && strcmp(dot, ".num_batches_tracked") == 0);
}

/* What stands before `wanted` at the end of a name, as in "module.conv1.weight"; false where the name ends otherwise or
 * is `wanted` itself. */
static bool prefix_before(const char *name, const char *wanted, char prefix[PS_MOST_PREFIX]) {
    size_t length = strlen(name), end = strlen(wanted);
    if (length <= end || strcmp(name + length - end, wanted) != 0 || name[length - end - 1] != '.') return false;
    return snprintf(prefix, PS_MOST_PREFIX, "%.*s", (int)(length - end), name) < PS_MOST_PREFIX;
}

static bool all_begin_with(const weight_file *w, const char *prefix) {
    for (int i = 0; i < ps_tensor_file_count(w->file); i++)
        if (strncmp(w->name[i], prefix, strlen(prefix)) != 0 && !ignorable(w->name[i])) return false;
    return true;
}

/* The first tensor that is called `wanted` but for something before it: its index, -1: none. */
static int find_prefixed(const weight_file *w, const char *wanted, char prefix[PS_MOST_PREFIX]) {
    for (int i = 0; i < ps_tensor_file_count(w->file); i++)
        if (prefix_before(w->name[i], wanted, prefix)) return i;
    return -1;
}

/* Models that were wrapped when they were saved have a word before every name: "module.", "_orig_mod.", "model.". */
static void find_prefix(weight_file *w, ps_net *net) {
    char prefix[PS_MOST_PREFIX];
    for (int i = 0; i < ps_net_param_count(net); i++) {
        const ps_param *p = ps_net_param(net, i);
        if (!p->learned || p->module) continue;
        if (find_name(w, p->name) >= 0 || find_name(w, p->file_name) >= 0) return;
        if (find_prefixed(w, p->name, prefix) < 0 && find_prefixed(w, p->file_name, prefix) < 0) return;
        if (all_begin_with(w, prefix)) snprintf(w->note.prefix, sizeof w->note.prefix, "%s", prefix);
        return;
    }
}

/* ---- what does not fit, in one sentence ---- */

enum { NAMES_TEXT = 260, NAME_SHOWN = 56 };
/* The first names of those that were met, and how many they are. */
typedef struct {
    char text[NAMES_TEXT];
    int count, shown;
} names;

/* Of a long name the end tells more. */
static void add_name(names *list, const char *prefix, const char *name, int most) {
    list->count++;
    if (list->shown == most) return;
    size_t length = strlen(name), at = strlen(list->text);
    bool whole = strlen(prefix) + length <= NAME_SHOWN;
    const char *end = length > NAME_SHOWN ? name + length - NAME_SHOWN : name;
    snprintf(list->text + at, sizeof list->text - at, "%s\"%s%s\"", list->shown++ > 0 ? ", " : "",
             whole ? prefix : "..", end);
}

static void end_names(names *list) {
    size_t at = strlen(list->text);
    if (list->count > list->shown)
        snprintf(list->text + at, sizeof list->text - at, " and %d more", list->count - list->shown);
}

typedef struct {
    int missing, unclaimed, misshapen; /* how many */
    const char *first_missing;
    int first_misshapen; /* a parameter */
} misfit;

static const char *file_name_of(const ps_param *p, bool backbone_file) {
    return backbone_file ? p->name : p->file_name;
}

/* Whether the file should have it. */
static bool is_wanted(const weight_file *w, const ps_param *p, bool backbone_file) {
    return w->alone ? is_of_backbone(p) : !(backbone_file && p->module);
}

static void count_misfits(const weight_file *w, ps_net *net, bool backbone_file, const int *tensor, const bool *used,
                          misfit *m) {
    *m = (misfit){.first_misshapen = -1};
    for (int i = 0; i < ps_net_param_count(net); i++) {
        const ps_param *p = ps_net_param(net, i);
        if (tensor[i] < 0 && p->learned && is_wanted(w, p, backbone_file) && m->missing++ == 0)
            m->first_missing = file_name_of(p, backbone_file);
        if (tensor[i] >= 0 && !same_shape(w->file, tensor[i], p) && m->misshapen++ == 0) m->first_misshapen = i;
    }
    for (int i = 0; i < ps_tensor_file_count(w->file) && !w->alone; i++)
        m->unclaimed += !used[i] && !ignorable(w->name[i]);
}

/* What the network lacks, ", but has ..." where the file has something instead. Of another variant of a network both
 * are told. */
static void say_names(const weight_file *w, ps_net *net, bool backbone_file, const int *tensor, const bool *used,
                      const misfit *m, char *text, size_t size) {
    names missing = {"", 0, 0}, idle = {"", 0, 0};
    int most = m->missing > 0 && m->unclaimed > 0 ? 2 : 3;
    for (int i = 0; i < ps_net_param_count(net); i++) {
        const ps_param *p = ps_net_param(net, i);
        if (tensor[i] < 0 && p->learned && is_wanted(w, p, backbone_file))
            add_name(&missing, w->note.prefix, file_name_of(p, backbone_file), most);
    }
    for (int i = 0; i < ps_tensor_file_count(w->file); i++)
        if (!used[i] && !ignorable(w->name[i])) add_name(&idle, "", ps_tensor_file_name(w->file, i), most);
    end_names(&missing);
    end_names(&idle);
    text[0] = '\0';
    if (m->missing > 0) snprintf(text, size, "has no tensor %s", missing.text);
    size_t at = strlen(text);
    if (m->unclaimed > 0)
        snprintf(text + at, size - at, "%s%s%s no place in this network",
                 m->missing > 0   ? ", but has "
                 : idle.count > 1 ? "tensors "
                                  : "tensor ",
                 idle.text,
                 m->missing > 0   ? ", which have"
                 : idle.count > 1 ? " have"
                                  : " has");
}

static void say_shape(const weight_file *w, ps_net *net, const int *tensor, const misfit *m, char *text, size_t size) {
    char found_text[80], wanted_text[80], others[64] = "";
    int rank, i = m->first_misshapen;
    int64_t dims[8], wanted[5];
    const ps_param *p = ps_net_param(net, i);
    const char *name = ps_tensor_file_name(w->file, tensor[i]);
    size_t length = strlen(name);
    ps_tensor_file_shape(w->file, tensor[i], &rank, dims);
    for (int d = 0; d < p->spec.rank; d++) wanted[d] = p->spec.dims[d];
    format_shape(found_text, sizeof found_text, rank, dims);
    format_shape(wanted_text, sizeof wanted_text, p->spec.rank, wanted);
    if (m->misshapen > 1) snprintf(others, sizeof others, " (%d more have another, too)", m->misshapen - 1);
    snprintf(text, size, "tensor \"%s%s\" has shape %s, the network needs %s%s", length > NAME_SHOWN ? ".." : "",
             length > NAME_SHOWN ? name + length - NAME_SHOWN : name, found_text, wanted_text, others);
}

static ps_status refuse_half_prefixed(const weight_file *w, const char *name) {
    char prefix[PS_MOST_PREFIX];
    int other = w->note.prefix[0] == '\0' ? find_prefixed(w, name, prefix) : -1;
    if (other < 0) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s: has no tensor \"%s\" but a \"%s\"; some of its names begin with \"%s\" and others do not: save "
                   "the weights without it",
                   w->path, name, ps_tensor_file_name(w->file, other), prefix);
}

static ps_status check_fit(const weight_file *w, ps_net *net, bool backbone_file, const int *tensor, const bool *used) {
    misfit m;
    char named[2 * NAMES_TEXT + 100], shape[NAMES_TEXT] = "";
    count_misfits(w, net, backbone_file, tensor, used, &m);
    if (m.missing + m.unclaimed + m.misshapen == 0) return PS_OK;
    if (m.missing > 0) PS_TRY(refuse_half_prefixed(w, m.first_missing));
    say_names(w, net, backbone_file, tensor, used, &m, named, sizeof named);
    if (m.misshapen > 0) say_shape(w, net, tensor, &m, shape, sizeof shape);
    return ps_fail(PS_ERR_INPUT,
                   "%s: %s%s%s; check model or graph, width, stages, classes, size of the input and Pool "
                   "Skip placement",
                   w->path, named, named[0] != '\0' && shape[0] != '\0' ? "; " : "", shape);
}

static void note_alone(weight_file *w, ps_net *net, const int *tensor, const bool *used) {
    ps_weights_note *note = &w->note;
    for (int i = 0; i < ps_net_param_count(net); i++) {
        if (!ps_net_param(net, i)->learned) continue;
        *(tensor[i] >= 0 ? &note->taken : &note->kept) += 1;
    }
    for (int i = 0; i < ps_tensor_file_count(w->file); i++) {
        if (used[i] || ignorable(w->name[i]) || note->idle++ > 0) continue;
        snprintf(note->first_idle, sizeof note->first_idle, "%s", w->name[i]);
    }
}

/* The tensor of every parameter, by names alone: tensor[parameter], -1 where it keeps what it has. A file of the
 * network without modules numbers its layers as the backbone's `name` does; one with modules as `file_name`. */
static ps_status claim_tensors(weight_file *w, ps_net *net, bool modules_optional, int *tensor, bool *used) {
    bool backbone_file = modules_optional && !holds_modules(w, net);
    w->alone = !modules_optional && holds_backbone_alone(w, net);
    for (int i = 0; i < ps_net_param_count(net); i++) {
        const ps_param *p = ps_net_param(net, i);
        tensor[i] = -1;
        if (!is_wanted(w, p, backbone_file)) continue;
        const char *name = file_name_of(p, backbone_file);
        tensor[i] = w->alone ? find_alone(w, p->name) : find_weight(w, name);
        if (tensor[i] < 0 && !w->alone) {
            tensor[i] = find_shared(w, name);
            w->note.shared += tensor[i] >= 0;
        }
        if (tensor[i] >= 0) used[tensor[i]] = true;
        w->note.missing_states += tensor[i] < 0 && !p->learned;
    }
    PS_TRY(check_fit(w, net, backbone_file, tensor, used));
    if (w->alone) note_alone(w, net, tensor, used);
    return PS_OK;
}

static ps_status load_weights(weight_file *w, ps_net *net, bool modules_optional) {
    bool *used = NULL;
    int *tensor = NULL;
    ps_status status = PS_OK;
    find_prefix(w, net);
    PS_TRY_CLEANUP(PS_ALLOC((size_t)ps_tensor_file_count(w->file) + 1, &used, "weights"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)ps_net_param_count(net) + 1, &tensor, "weights"));
    PS_TRY_CLEANUP(claim_tensors(w, net, modules_optional, tensor, used));
    for (int i = 0; i < ps_net_param_count(net); i++)
        if (tensor[i] >= 0) PS_TRY_CLEANUP(read_weight(w->file, tensor[i], ps_net_param(net, i)));
cleanup:
    ps_free(used);
    ps_free(tensor);
    return status;
}

static ps_status load_file(const char *path, const ps_tensor_file *file, ps_net *net, bool modules_optional,
                           ps_weights_note *note) {
    weight_file w;
    ps_status status = open_weights(path, file, &w);
    if (status == PS_OK) status = load_weights(&w, net, modules_optional);
    if (note != NULL) *note = w.note;
    close_weights(&w);
    return status;
}

ps_status ps_weights_load(const char *path, ps_net *net, bool modules_optional, ps_weights_note *note) {
    ps_tensor_file *file;
    PS_TRY(ps_tensor_file_open(path, &file));
    ps_status status = load_file(path, file, net, modules_optional, note);
    ps_tensor_file_close(file);
    return status;
}

static ps_status load_optimiser(const ps_tensor_file *file, const char *path, ps_optimiser *optimiser) {
    ps_state_array array;
    for (int i = 0; ps_optimiser_state(optimiser, i, &array); i++) {
        char name[256];
        snprintf(name, sizeof name, "%s%s", OPTIMISER_PREFIX, array.name);
        int index = ps_tensor_file_find(file, name);
        if (index < 0)
            return ps_fail(PS_ERR_INPUT,
                           "%s: has no tensor \"%s\"; it was written by a run that recorded other quantities, so it "
                           "cannot be resumed "
                           "with these",
                           path, name);
        PS_TRY(ps_tensor_file_read_float(file, index, array.data, array.count));
    }
    return PS_OK;
}

static ps_status read_step(const ps_tensor_file *file, const char *path, uint64_t *step) {
    const char *text = ps_tensor_file_metadata(file, "step");
    char *end = NULL;
    unsigned long long value = text != NULL ? strtoull(text, &end, 10) : 0;
    if (text == NULL || end == text || *end != '\0')
        return ps_fail(PS_ERR_INPUT,
                       "%s: says no step, so it is no checkpoint of poolscope; plain weights can be started from with "
                       "`poolscope train --init`",
                       path);
    *step = value;
    return PS_OK;
}

ps_status ps_checkpoint_read(const char *path, ps_net *net, ps_optimiser *optimiser, uint64_t *step) {
    ps_tensor_file *file = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_tensor_file_open(path, &file));
    if (step != NULL) PS_TRY_CLEANUP(read_step(file, path, step));
    PS_TRY_CLEANUP(load_file(path, file, net, false, NULL));
    if (optimiser != NULL) PS_TRY_CLEANUP(load_optimiser(file, path, optimiser));
cleanup:
    ps_tensor_file_close(file);
    return status;
}

static bool is_checkpoint(const ps_tensor_file *file) {
    return ps_tensor_file_metadata(file, "step") != NULL || ps_tensor_file_metadata(file, "graph") != NULL;
}

ps_status ps_checkpoint_check(const char *path, bool *answer) {
    ps_tensor_file *file;
    PS_TRY(ps_tensor_file_open(path, &file));
    *answer = is_checkpoint(file);
    ps_tensor_file_close(file);
    return PS_OK;
}

static bool agrees(const ps_tensor_file *file, const char *key, ps_digest digest) {
    char hex[17];
    const char *written = ps_tensor_file_metadata(file, key);
    ps_digest_hex(&digest, hex);
    return written != NULL && strcmp(written, hex) == 0;
}

static ps_status check_file(const ps_tensor_file *file, const char *path) {
    uint64_t step, tensors;
    PS_TRY(read_step(file, path, &step));
    const char *graph = ps_tensor_file_metadata(file, "graph"), *config = ps_tensor_file_metadata(file, "config");
    if (!is_checkpoint(file) || graph == NULL || config == NULL || ps_tensor_file_metadata(file, "state") == NULL ||
        ps_tensor_file_metadata(file, "digest") == NULL)
        return ps_fail(PS_ERR_INPUT,
                       "%s: has no digests, so whether its weights are those that were trained is not known; it is no "
                       "checkpoint of poolscope, of an earlier version, or damaged",
                       path);
    PS_TRY(ps_tensor_file_digest(file, &tensors));
    ps_digest state = state_digest(tensors, step);
    if (!agrees(file, "state", state))
        return ps_fail(PS_ERR_INPUT,
                       "%s: its tensors or its step are not those that were written, so it was damaged, or changed by "
                       "another program; take a copy that is whole, or train again",
                       path);
    if (!agrees(file, "digest", whole_digest(state, graph, config)))
        return ps_fail(PS_ERR_INPUT,
                       "%s: its network or its configuration is not what was written, so it was damaged, or changed by "
                       "another program; take a copy that is whole, or train again",
                       path);
    return PS_OK;
}

ps_status ps_checkpoint_verify(const char *path) {
    ps_tensor_file *file;
    PS_TRY(ps_tensor_file_open(path, &file));
    ps_status status = check_file(file, path);
    ps_tensor_file_close(file);
    return status;
}

ps_status ps_checkpoint_digest(const char *path, char hex[17]) {
    ps_tensor_file *file;
    uint64_t tensors, step = 0;
    PS_TRY(ps_tensor_file_open(path, &file));
    ps_status status = ps_tensor_file_digest(file, &tensors);
    if (status == PS_OK && is_checkpoint(file)) status = read_step(file, path, &step);
    ps_tensor_file_close(file);
    PS_TRY(status);
    ps_digest digest = state_digest(tensors, step);
    ps_digest_hex(&digest, hex);
    return PS_OK;
}

ps_status ps_checkpoint_open(const char *path, ps_graph **graph, char **config, uint64_t *step) {
    ps_tensor_file *file = NULL;
    cJSON *document = NULL;
    ps_status status = PS_OK;
    *graph = NULL;
    *config = NULL;
    PS_TRY_CLEANUP(ps_tensor_file_open(path, &file));
    PS_TRY_CLEANUP(read_step(file, path, step));
    const char *graph_text = ps_tensor_file_metadata(file, "graph"),
               *config_text = ps_tensor_file_metadata(file, "config");
    if (graph_text == NULL || config_text == NULL)
        PS_TRY_CLEANUP(
            ps_fail(PS_ERR_INPUT, "%s: holds no network description, so it is no checkpoint of poolscope", path));
    PS_TRY_CLEANUP(ps_json_parse(graph_text, path, &document));
    PS_TRY_CLEANUP(ps_graph_parse(document, path, graph));
    PS_TRY_CLEANUP(ps_string_copy(config_text, config));
cleanup:
    cJSON_Delete(document);
    ps_tensor_file_close(file);
    if (status != PS_OK) {
        ps_graph_destroy(*graph);
        *graph = NULL;
    }
    return status;
}
