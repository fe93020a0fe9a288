#include "data/volumes.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/samples.h"

typedef struct {
    char *name;
    char **image; /* [images] */
    char *label;
    int images;
    ps_nifti *header; /* [images] */
    ps_nifti label_header;
    bool *has; /* [PS_NIFTI_LABELS], labels that occur, where they were looked for */
} volume;

typedef struct {
    volume *volume; /* [count] */
    size_t count, room;
} volume_part;

typedef struct {
    volume_part part[PS_SOURCE_PARTS];
    ps_nifti_labels labels; /* classes 0: not known yet */
    int channels;           /* 0: not known yet */
    const char *channels_by;
    bool unlabelled;
} volumes;

/* ---- names in a folder ---- */

static size_t stem_length(const char *name) {
    static const char *const ends[] = {".nii.gz", ".nii"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t end = strlen(ends[i]);
        if (length > end && strcmp(name + length - end, ends[i]) == 0) return length - end;
    }
    return 0;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static ps_status add_name(ps_volume_names *names, const char *folder, const char *name) {
    if (name[0] == '.' || stem_length(name) == 0) return PS_OK; /* other systems leave "._name" beside a file */
    PS_TRY(PS_GROW(&names->path, &names->path_room, names->count + 1, "names of volumes"));
    PS_TRY(ps_file_join(folder, name, &names->path[names->count]));
    names->count++;
    return PS_OK;
}

/* Paths of one folder by their stems ("a", "a-b", and not "a-b.nii", "a.nii"), those of one stem beside each other. */
static int by_stem(const void *a_, const void *b_) {
    const char *a = *(char *const *)a_, *b = *(char *const *)b_;
    size_t of_a = stem_length(a), of_b = stem_length(b);
    int order = memcmp(a, b, of_a < of_b ? of_a : of_b);
    if (order == 0) order = (of_a > of_b) - (of_a < of_b);
    return order != 0 ? order : strcmp(a, b);
}

static ps_status set_stems(ps_volume_names *names) {
    qsort(names->path, names->count, sizeof *names->path, by_stem);
    PS_TRY(PS_GROW(&names->stem, &names->stem_room, names->count, "names of volumes"));
    for (size_t i = 0; i < names->count; i++) {
        const char *slash = strrchr(names->path[i], '/'), *name = slash != NULL ? slash + 1 : names->path[i];
        PS_TRY(ps_string_format(&names->stem[i], "%.*s", (int)stem_length(name), name));
        if (i > 0 && strcmp(names->stem[i - 1], names->stem[i]) == 0)
            return ps_fail(PS_ERR_INPUT, "%s: is called as %s is but for its ending; take one of them away",
                           names->path[i], names->path[i - 1]);
    }
    return PS_OK;
}

ps_status ps_volume_names_read(const char *folder, ps_volume_names *out) {
    memset(out, 0, sizeof *out);
    DIR *directory = opendir(folder);
    if (directory == NULL)
        return ps_fail(PS_ERR_INPUT, "%s: %s; it should hold .nii.gz files", folder, strerror(errno));
    const struct dirent *entry;
    ps_status status = PS_OK;
    while (status == PS_OK && (entry = readdir(directory)) != NULL) status = add_name(out, folder, entry->d_name);
    closedir(directory);
    if (status == PS_OK && out->count > 0) status = set_stems(out);
    return status;
}

void ps_volume_names_clear(ps_volume_names *names) {
    for (size_t i = 0; i < names->count; i++) free(names->path[i]);
    for (size_t i = 0; names->stem != NULL && i < names->count; i++) free(names->stem[i]);
    ps_free_array(names->path);
    ps_free_array(names->stem);
    memset(names, 0, sizeof *names);
}

int ps_volume_names_find(const ps_volume_names *names, const char *stem) {
    if (names->count == 0) return -1;
    char *const *found = bsearch(&stem, names->stem, names->count, sizeof *names->stem, by_text);
    return found != NULL ? (int)(found - names->stem) : -1;
}

size_t ps_volume_channel(const char *stem, int *channel) {
    size_t length = strlen(stem);
    if (length < 6 || stem[length - 5] != '_' || strspn(stem + length - 4, "0123456789") != 4) return 0;
    *channel = atoi(stem + length - 4);
    return length - 5;
}

/* ---- cases ---- */

static void clear_volume(volume *v) {
    free(v->name);
    for (int i = 0; v->image != NULL && i < v->images; i++) free(v->image[i]);
    ps_free(v->image);
    ps_free(v->header);
    ps_free(v->has);
    free(v->label);
}

static void close_volumes(ps_source *source) {
    volumes *set = source->state;
    for (int p = 0; p < PS_SOURCE_PARTS; p++) {
        for (size_t i = 0; i < set->part[p].count; i++) clear_volume(&set->part[p].volume[i]);
        ps_free_array(set->part[p].volume);
    }
    ps_free(set);
}

static const volume *volume_of(const ps_source *source, ps_source_part part, int index) {
    const volumes *set = source->state;
    return &set->part[part].volume[index];
}

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    const volumes *set = source->state;
    ps_shape shape = volume_of(source, part, index)->header[0].shape;
    shape.c = set->channels;
    *out = (ps_sample_size){.pixels = shape, .mask = shape};
    out->mask.c = 1;
}

static ps_status truth(const ps_source *source, ps_source_part part, int index, int16_t *label) {
    const volumes *set = source->state;
    const volume *v = volume_of(source, part, index);
    if (!set->unlabelled) return ps_nifti_read_labels(v->label, &v->label_header, &set->labels, label);
    for (size_t i = 0; i < ps_shape_positions(v->header[0].shape); i++) label[i] = -1;
    return PS_OK;
}

static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    const volumes *set = source->state;
    const volume *v = volume_of(source, part, index);
    for (int i = 0; i < v->images; i++) PS_TRY(ps_nifti_read(v->image[i], &v->header[i], i, set->channels, pixel));
    return truth(source, part, index, label);
}

/* ---- row by row ---- */

typedef struct {
    ps_source_row_taker *take;
    void *context;
    int channel;
} row_giver;

static ps_status give_pixels(void *context, const ps_nifti_row *row, const float *value) {
    const row_giver *to = context;
    ps_source_row given = {row->first, row->step, row->count, to->channel + row->channel, value, NULL};
    return to->take(to->context, &given);
}

static ps_status give_labels(void *context, const ps_nifti_row *row, const int16_t *label) {
    const row_giver *to = context;
    ps_source_row given = {row->first, row->step, row->count, 0, NULL, label};
    return to->take(to->context, &given);
}

/* Of a volume without labels. */
static ps_status give_no_labels(const row_giver *to, ps_shape shape) {
    int16_t *label = NULL;
    ps_status status = PS_ALLOC((size_t)shape.w, &label, "a row of labels");
    for (int x = 0; status == PS_OK && x < shape.w; x++) label[x] = -1;
    for (int64_t row = 0; status == PS_OK && row < (int64_t)shape.d * shape.h; row++) {
        ps_source_row given = {.first = row * shape.w, .step = 1, .count = shape.w, .label = label};
        status = to->take(to->context, &given);
    }
    ps_free(label);
    return status;
}

static ps_status each_row(const ps_source *source, ps_source_part part, int index, ps_source_rows what,
                          ps_source_row_taker *take, void *context) {
    const volumes *set = source->state;
    const volume *v = volume_of(source, part, index);
    row_giver to = {take, context, 0};
    if (what == PS_ROWS_OF_LABELS && set->unlabelled) return give_no_labels(&to, v->header[0].shape);
    if (what == PS_ROWS_OF_LABELS)
        return ps_nifti_each_label_row(v->label, &v->label_header, &set->labels, give_labels, &to);
    for (; to.channel < v->images; to.channel++)
        PS_TRY(ps_nifti_each_row(v->image[to.channel], &v->header[to.channel], give_pixels, &to));
    return PS_OK;
}

static const char *name_of(const ps_source *source, ps_source_part part, int index) {
    return volume_of(source, part, index)->name;
}

static const char *path_of(const ps_source *source, ps_source_part part, int index) {
    return volume_of(source, part, index)->image[0];
}

static void original(const ps_source *source, ps_source_part part, int index, ps_shape *shape, double mm[3]) {
    ps_sample_size size;
    size_of(source, part, index, &size);
    *shape = size.mask;
    memcpy(mm, volume_of(source, part, index)->header[0].mm, 3 * sizeof *mm);
}

static const ps_source_functions functions = {.size = size_of,
                                              .decode = decode,
                                              .close = close_volumes,
                                              .name = name_of,
                                              .path = path_of,
                                              .original = original,
                                              .truth = truth,
                                              .each_row = each_row};

ps_status ps_volumes_start(ps_source *out) {
    volumes *set = NULL;
    PS_TRY(PS_ALLOC(1, &set, "data set"));
    set->labels.ignored = -1;
    *out = (ps_source){.functions = &functions, .state = set, .type = PS_PIXEL_FLOAT, .labels = PS_LABEL_MASK};
    return PS_OK;
}

ps_status ps_volumes_add(ps_source *source, ps_source_part part, const char *name, const char *const *image, int images,
                         const char *label) {
    volumes *set = source->state;
    volume_part *to = &set->part[part];
    PS_TRY(PS_GROW(&to->volume, &to->room, to->count + 1, "cases"));
    volume *v = &to->volume[to->count++];
    memset(v, 0, sizeof *v);
    PS_TRY(ps_string_copy(name, &v->name));
    PS_TRY(PS_ALLOC((size_t)images, &v->image, "cases"));
    PS_TRY(PS_ALLOC((size_t)images, &v->header, "cases"));
    for (; v->images < images; v->images++) PS_TRY(ps_string_copy(image[v->images], &v->image[v->images]));
    return label != NULL ? ps_string_copy(label, &v->label) : PS_OK;
}

ps_status ps_volumes_set_classes(ps_source *source, int classes, int ignored) {
    volumes *set = source->state;
    set->labels = (ps_nifti_labels){classes, ignored, 0};
    source->classes = classes;
    return PS_OK;
}

void ps_volumes_without_labels(ps_source *source) { ((volumes *)source->state)->unlabelled = true; }

void ps_volumes_set_channels(ps_source *source, int channels, const char *by) {
    volumes *set = source->state;
    set->channels = channels;
    set->channels_by = by;
}

/* ---- headers ---- */

static bool same_axes(const ps_nifti *a, const ps_nifti *b) {
    return memcmp(a->axis, b->axis, sizeof a->axis) == 0 && memcmp(a->flip, b->flip, sizeof a->flip) == 0;
}

/* As far as headers round. */
static bool same_spacing(const ps_nifti *a, const ps_nifti *b) {
    for (int i = 0; i < 3; i++)
        if (!(fabs(a->mm[i] - b->mm[i]) <= 1e-3 * b->mm[i])) return false;
    return true;
}

/* Between where both put the same corner of the volume, at most. Their axes and sides are the same. */
static double mm_apart(const ps_nifti *a, const ps_nifti *b) {
    const int side[3] = {a->shape.w, a->shape.h, a->shape.d};
    double most = 0;
    for (int corner = 0; corner < 8; corner++) {
        double squares = 0;
        for (int r = 0; r < 3; r++) {
            double away = a->place[r][3] - b->place[r][3];
            for (int k = 0; k < 3; k++) {
                int axis = a->axis[k], at = (corner >> k & 1) != 0 ? side[k] - 1 : 0;
                away += (a->place[r][axis] - b->place[r][axis]) * at;
            }
            squares += away * away;
        }
        most = fmax(most, sqrt(squares));
    }
    return most;
}

/* Programs round origins and directions; what is farther apart than a voxel is long is another place. */
static ps_status check_place(const char *path, const ps_nifti *file, const char *first_path, const ps_nifti *first) {
    const double *mm = first->mm;
    if (!same_spacing(file, first))
        return ps_fail(PS_ERR_INPUT,
                       "%s: its voxels are %g x %g x %g mm, but those of %s are %g x %g x %g mm; a case is one volume: "
                       "resample one, or mend its header",
                       path, file->mm[2], file->mm[1], file->mm[0], first_path, mm[2], mm[1], mm[0]);
    if (!same_axes(file, first))
        return ps_fail(
            PS_ERR_INPUT,
            "%s: its axes run otherwise than those of %s (sform and qform of their headers); bring both to one "
            "orientation",
            path, first_path);
    double apart = file->placed && first->placed ? mm_apart(file, first) : 0;
    if (apart <= sqrt(mm[0] * mm[0] + mm[1] * mm[1] + mm[2] * mm[2])) return PS_OK;
    return ps_fail(
        PS_ERR_INPUT,
        "%s: lies elsewhere than %s: by origin and direction (sform or qform of their headers) the same voxel "
        "is up to %.3g mm apart, which is more than a voxel; resample one, or mend its header",
        path, first_path, apart);
}

/* Files of a case are taken voxel by voxel, so that they must agree about what a voxel is. */
static ps_status check_same(const char *path, const ps_nifti *file, const char *first_path, const ps_nifti *first) {
    const ps_shape *a = &file->shape, *b = &first->shape;
    if (a->d != b->d || a->h != b->h || a->w != b->w)
        return ps_fail(PS_ERR_INPUT, "%s: has %d x %d x %d voxels, but %s has %d x %d x %d; a case is one volume", path,
                       a->w, a->h, a->d, first_path, b->w, b->h, b->d);
    return check_place(path, file, first_path, first);
}

static ps_status read_label_header(volume *v) {
    PS_TRY(ps_nifti_open(v->label, &v->label_header));
    if (v->label_header.shape.c > 1)
        return ps_fail(PS_ERR_INPUT, "%s: is a label map with a fourth dimension of %d; it must be one volume",
                       v->label, v->label_header.shape.c);
    return check_same(v->label, &v->label_header, v->image[0], &v->header[0]);
}

static ps_status read_headers(volume *v, bool unlabelled) {
    if (v->label == NULL && !unlabelled)
        return ps_fail(PS_ERR_INPUT, "%s: there is no label map for this image; add it, or take the image away",
                       v->image[0]);
    for (int i = 0; i < v->images; i++) {
        PS_TRY(ps_nifti_open(v->image[i], &v->header[i]));
        if (v->images > 1 && v->header[i].shape.c > 1)
            return ps_fail(PS_ERR_INPUT,
                           "%s: has %d channels in its fourth dimension beside files for others; keep to one way",
                           v->image[i], v->header[i].shape.c);
        PS_TRY(check_same(v->image[i], &v->header[i], v->image[0], &v->header[0]));
    }
    return unlabelled ? PS_OK : read_label_header(v);
}

static int channels_of(const volume *v) { return v->images > 1 ? v->images : v->header[0].shape.c; }

/* The volume at `i` of those that are left; those that are left out come to lie behind the others, and are freed with
 * them. */
static ps_status keep(ps_source *source, volume_part *part, volume v, size_t i, size_t *kept, ps_status status) {
    part->volume[i] = part->volume[*kept];
    part->volume[*kept] = v;
    if (status != PS_OK) return ps_source_leave_out(source, status);
    ++*kept;
    return PS_OK;
}

static ps_status read_part(ps_source *source, ps_source_part which) {
    volumes *set = source->state;
    volume_part *part = &set->part[which];
    size_t kept = 0;
    for (size_t i = 0; i < part->count; i++) {
        volume v = part->volume[i];
        ps_status status = read_headers(&v, set->unlabelled);
        PS_TRY(keep(source, part, v, i, &kept, status));
    }
    source->count[which] = (int)kept;
    return PS_OK;
}

/* ---- channels ---- */

/* As many as most training cases have (most of the others, where there are none); of two that are as many, those of the
 * first case. */
static int usual_channels(const ps_source *source) {
    const volumes *set = source->state;
    ps_source_part part = source->count[PS_SOURCE_TRAIN] > 0 ? PS_SOURCE_TRAIN : PS_SOURCE_TEST;
    const volume *v = set->part[part].volume;
    int count = source->count[part], usual = 0, most = 0;
    for (int i = 0; i < count && 2 * most <= count; i++) {
        int alike = 0;
        for (int j = 0; j < count; j++) alike += channels_of(&v[j]) == channels_of(&v[i]);
        if (alike > most) most = alike, usual = channels_of(&v[i]);
    }
    return usual;
}

static ps_status check_channels(const volumes *set, const volume *v) {
    if (set->channels == channels_of(v)) return PS_OK;
    return ps_fail(PS_ERR_INPUT, "%s: has %d channel%s, but %s %d; all cases of a data set have the same", v->image[0],
                   channels_of(v), channels_of(v) == 1 ? "" : "s", set->channels_by, set->channels);
}

static ps_status agree_on_channels(ps_source *source) {
    volumes *set = source->state;
    if (set->channels == 0) ps_volumes_set_channels(source, usual_channels(source), "most cases have");
    for (int p = 0; p < PS_SOURCE_PARTS; p++) {
        size_t kept = 0, count = (size_t)source->count[p];
        for (size_t i = 0; i < count; i++) {
            volume v = set->part[p].volume[i];
            PS_TRY(keep(source, &set->part[p], v, i, &kept, check_channels(set, &v)));
        }
        source->count[p] = (int)kept;
    }
    return PS_OK;
}

/* ---- classes of labels without names ---- */

/* All label maps are looked at where their voxels take no more than `all` bytes; else so many, evenly spread, as a
 * quarter of that holds, but LEAST. */
enum { LEAST_LOOKED_AT = 4 };

static int label_maps_to_look_at(const volume_part *part, int count, double all) {
    double bytes = 0;
    for (int i = 0; i < count; i++) {
        const ps_nifti *header = &part->volume[i].label_header;
        bytes += (double)ps_shape_positions(header->shape) * header->type_bytes;
    }
    if (bytes <= all || count <= LEAST_LOOKED_AT) return count;
    int fit = (int)(count * (all / 4) / bytes);
    return fit < LEAST_LOOKED_AT ? LEAST_LOOKED_AT : fit;
}

static ps_status look_at_labels(volume *v) {
    PS_TRY(PS_ALLOC(PS_NIFTI_LABELS, &v->has, "labels"));
    return ps_nifti_find_labels(v->label, &v->label_header, v->has);
}

static ps_status look_for_labels(ps_source *source, size_t large_bytes) {
    volumes *set = source->state;
    volume_part *part = &set->part[PS_SOURCE_TRAIN];
    int count = source->count[PS_SOURCE_TRAIN], next = 0;
    int some = label_maps_to_look_at(part, count, (double)(large_bytes > 0 ? large_bytes : PS_LARGE_BYTES));
    size_t kept = 0;
    for (int i = 0; i < count; i++) {
        volume v = part->volume[i];
        bool looked_at = i == (int)((int64_t)next * count / some);
        next += looked_at;
        ps_status status = looked_at ? look_at_labels(&v) : PS_OK;
        PS_TRY(keep(source, part, v, (size_t)i, &kept, status));
    }
    source->count[PS_SOURCE_TRAIN] = (int)kept;
    set->labels.looked_at = some < count ? some : 0;
    return PS_OK;
}

/* How many of the training cases have each label, and one of them. */
typedef struct {
    int cases[PS_NIFTI_LABELS], last, missing; /* the largest label, and the first below it that no case has; 0: none */
    const volume *first[PS_NIFTI_LABELS];
} label_census;

static label_census count_labels(const ps_source *source) {
    const volumes *set = source->state;
    label_census found = {.last = 0};
    for (int i = 0; i < source->count[PS_SOURCE_TRAIN]; i++) {
        const volume *v = &set->part[PS_SOURCE_TRAIN].volume[i];
        for (int label = 0; v->has != NULL && label < PS_NIFTI_LABELS; label++) {
            if (!v->has[label]) continue;
            if (found.cases[label]++ == 0) found.first[label] = v;
            if (label > found.last) found.last = label;
        }
    }
    for (int label = found.last - 1; label > 0; label--)
        if (found.cases[label] == 0) found.missing = label;
    return found;
}

static int odd_label(const label_census *found, const volume *v) {
    for (int label = PS_NIFTI_LABELS - 1; label > found->missing; label--)
        if (v->has != NULL && v->has[label]) return label;
    return 0;
}

/* A gap that one case of more than two makes is that case's fault, and none of the data. */
static bool is_of_one_case(const ps_source *source, const label_census *found) {
    const volumes *set = source->state;
    int odd = 0;
    for (int i = 0; i < source->count[PS_SOURCE_TRAIN]; i++)
        odd += odd_label(found, &set->part[PS_SOURCE_TRAIN].volume[i]) > 0;
    return odd == 1 && source->count[PS_SOURCE_TRAIN] > 2;
}

static ps_status leave_out_odd(ps_source *source, const label_census *found) {
    volumes *set = source->state;
    volume_part *part = &set->part[PS_SOURCE_TRAIN];
    size_t kept = 0, count = (size_t)source->count[PS_SOURCE_TRAIN];
    for (size_t i = 0; i < count; i++) {
        volume v = part->volume[i];
        int odd = odd_label(found, &v);
        ps_status status = PS_OK;
        if (odd > 0)
            status = ps_fail(PS_ERR_INPUT,
                             "%s: has label %d, which no other training case has, and none has label %d; labels count "
                             "from 0: mend it, or name them in a dataset.json",
                             v.label, odd, found->missing);
        PS_TRY(keep(source, part, v, i, &kept, status));
    }
    source->count[PS_SOURCE_TRAIN] = (int)kept;
    return PS_OK;
}

/* Labels without a list of names: as many classes as the largest says, each of which must occur where all label maps
 * were looked at; what is no label map has gaps. */
static ps_status find_classes(ps_source *source, const char *name) {
    int looked_at = ((volumes *)source->state)->labels.looked_at;
    label_census found = count_labels(source);
    if (looked_at == 0 && found.missing > 0 && is_of_one_case(source, &found)) {
        PS_TRY(leave_out_odd(source, &found));
        found = count_labels(source);
    }
    if (looked_at == 0 && found.missing > 0)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: label %d occurs in the training cases, but label %d does not (%s has label %d); labels count from "
            "0, each of them in use, or a dataset.json beside them says what there is",
            name, found.last, found.missing, found.first[found.last]->label, found.last);
    if (found.last == 0)
        return ps_fail(PS_ERR_INPUT, "%s: no voxel of the training cases has a label but 0; are these the label maps?",
                       name);
    PS_TRY(ps_volumes_set_classes(source, found.last + 1, -1));
    ((volumes *)source->state)->labels.looked_at = looked_at;
    return PS_OK;
}

ps_status ps_volumes_finish(ps_source *source, const char *name, size_t large_bytes) {
    volumes *set = source->state;
    for (int p = 0; p < PS_SOURCE_PARTS; p++) PS_TRY(read_part(source, (ps_source_part)p));
    PS_TRY(agree_on_channels(source));
    if (set->labels.classes == 0) PS_TRY(look_for_labels(source, large_bytes));
    if (source->count[PS_SOURCE_TRAIN] == 0) PS_TRY(ps_source_check_bad(source, name, false));
    if (source->count[PS_SOURCE_TRAIN] == 0)
        return ps_fail(PS_ERR_INPUT, "%s: no training case can be read there; its images should be .nii.gz files",
                       name);
    return set->labels.classes == 0 ? find_classes(source, name) : PS_OK;
}
