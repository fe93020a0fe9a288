#include "data/pictures.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"
#include "data/png.h"

typedef struct {
    char *name, *image, *mask; /* mask: NULL where the label is a class */
    int h, w, class_index;
} picture;

typedef struct {
    picture *picture[PS_SOURCE_PARTS];
    size_t room[PS_SOURCE_PARTS];
    const char *numbers;
    int16_t class_of[PS_MASK_VALUES];
} pictures;

/* ---- what a source gives ---- */

static const picture *picture_at(const ps_source *source, ps_source_part part, int index) {
    const pictures *set = source->state;
    return &set->picture[part][index];
}

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    const picture *p = picture_at(source, part, index);
    *out = (ps_sample_size){.pixels = {1, PS_PICTURE_RGB, 1, p->h, p->w}};
    if (source->labels == PS_LABEL_MASK) out->mask = (ps_shape){1, 1, 1, p->h, p->w};
}

static const char *name_of(const ps_source *source, ps_source_part part, int index) {
    return picture_at(source, part, index)->name;
}

static const char *path_of(const ps_source *source, ps_source_part part, int index) {
    return picture_at(source, part, index)->image;
}

static ps_status decode_mask(const pictures *set, const picture *p, int16_t *label) {
    uint16_t *number = (uint16_t *)label; /* in place */
    size_t count = (size_t)p->h * (size_t)p->w;
    PS_TRY(ps_png_read_labels(p->mask, p->h, p->w, number));
    for (size_t i = 0; i < count; i++) {
        int found = number[i], class_index = found < PS_MASK_VALUES ? set->class_of[found] : PS_MASK_REFUSED;
        if (class_index == PS_MASK_REFUSED)
            return ps_fail(PS_ERR_INPUT,
                           "%s: row %zu, column %zu has label %d, but labels are %s; is it the right file?", p->mask,
                           i / (size_t)p->w, i % (size_t)p->w, found, set->numbers);
        label[i] = (int16_t)class_index;
    }
    return PS_OK;
}

static ps_status truth(const ps_source *source, ps_source_part part, int index, int16_t *label) {
    const picture *p = picture_at(source, part, index);
    if (p->mask != NULL) return decode_mask(source->state, p, label);
    *label = (int16_t)p->class_index;
    for (size_t i = 0; source->labels == PS_LABEL_MASK && i < (size_t)p->h * (size_t)p->w; i++) label[i] = -1;
    return PS_OK;
}

static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    const picture *p = picture_at(source, part, index);
    PS_TRY(ps_picture_read_rgb(p->image, p->h, p->w, pixel));
    return truth(source, part, index, label);
}

static void clear_picture(picture *p) {
    free(p->name);
    free(p->image);
    free(p->mask);
}

static void close_pictures(ps_source *source) {
    pictures *set = source->state;
    for (int part = 0; set != NULL && part < PS_SOURCE_PARTS; part++) {
        for (int i = 0; i < source->count[part]; i++) clear_picture(&set->picture[part][i]);
        ps_free_array(set->picture[part]);
    }
    ps_free(set);
}

static const ps_source_functions functions = {
    .size = size_of, .decode = decode, .close = close_pictures, .name = name_of, .path = path_of, .truth = truth};

/* ---- opening ---- */

void ps_pictures_number_classes(int16_t class_of[PS_MASK_VALUES], int classes, int ignored) {
    for (int i = 0; i < PS_MASK_VALUES; i++) class_of[i] = (int16_t)(i < classes ? i : PS_MASK_REFUSED);
    class_of[ignored] = -1;
}

ps_status ps_pictures_start(ps_source *out, const ps_pictures_kind *kind) {
    pictures *set = NULL;
    PS_TRY(PS_ALLOC(1, &set, "data set"));
    set->numbers = kind->numbers;
    if (kind->class_of != NULL) memcpy(set->class_of, kind->class_of, sizeof set->class_of);
    *out = (ps_source){
        .functions = &functions, .state = set, .type = PS_PIXEL_BYTE, .labels = kind->labels, .classes = kind->classes};
    if (kind->class_names == NULL) return PS_OK;
    PS_TRY(PS_ALLOC((size_t)kind->classes, &out->class_names, "class names"));
    for (int i = 0; i < kind->classes; i++) {
        snprintf(out->class_names[i], PS_CLASS_NAME_SIZE, "%s", kind->class_names[i]);
        ps_text_make_showable(out->class_names[i], false);
    }
    return PS_OK;
}

static ps_status read_mask_header(const picture *p) {
    ps_picture_header mask;
    if (!ps_file_exists(p->mask))
        return ps_fail(PS_ERR_INPUT, "%s: has no label map (looked for %s); add it, or take the picture away", p->image,
                       p->mask);
    PS_TRY(ps_picture_read_header(p->mask, &mask));
    if (mask.lossy || mask.channels > 2)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: is %s, but a label map is a PNG file with one number a pixel, as grey or as an index into a "
            "palette; convert it",
            p->mask, mask.lossy ? "a JPEG file" : "a colour picture");
    if (mask.h == p->h && mask.w == p->w) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s: is %d x %d (height x width), but its picture %s is %d x %d; bring them to one size", p->mask,
                   mask.h, mask.w, p->image, p->h, p->w);
}

static ps_status read_headers(picture *p) {
    ps_picture_header header;
    if (!ps_file_exists(p->image))
        return p->mask == NULL ? ps_fail(PS_ERR_INPUT, "%s: there is no such picture; add it", p->image)
                               : ps_fail(PS_ERR_INPUT,
                                         "%s: has no picture (looked for %s); add it, or take the label "
                                         "map, or its name in a list, away",
                                         p->mask, p->image);
    PS_TRY(ps_picture_read_header(p->image, &header));
    p->h = header.h;
    p->w = header.w;
    return p->mask != NULL ? read_mask_header(p) : PS_OK;
}

static ps_status fill(picture *p, const char *name, const char *image, const char *mask, int class_index) {
    *p = (picture){.class_index = class_index};
    PS_TRY(ps_string_copy(name, &p->name));
    PS_TRY(ps_string_copy(image, &p->image));
    if (mask != NULL) PS_TRY(ps_string_copy(mask, &p->mask));
    return read_headers(p);
}

ps_status ps_pictures_add(ps_source *source, ps_source_part part, const char *name, const char *image, const char *mask,
                          int class_index) {
    pictures *set = source->state;
    picture p;
    int *count = &source->count[part];
    if (*count == INT_MAX)
        return ps_fail(PS_ERR_INPUT, "%s: a data set may hold at most %d samples; split it", image, INT_MAX);
    ps_status status = fill(&p, name, image, mask, class_index);
    if (status == PS_OK) status = PS_GROW(&set->picture[part], &set->room[part], (size_t)*count + 1, "data set");
    if (status == PS_OK) set->picture[part][(*count)++] = p;
    else clear_picture(&p);
    return status == PS_OK ? PS_OK : ps_source_leave_out(source, status);
}

ps_status ps_pictures_add_pair(ps_source *source, ps_source_part part, const char *name, const char *folder,
                               const char *image, const char *mask) {
    char *images = NULL, *masks = NULL;
    ps_status status = ps_file_join(folder, image, &images);
    if (status == PS_OK) status = ps_file_join(folder, mask, &masks);
    if (status == PS_OK) status = ps_pictures_add(source, part, name, images, masks, 0);
    free(images);
    free(masks);
    return status;
}

ps_status ps_pictures_check_found(const ps_source *source, const char *folder, const char *looked_for) {
    if (source->count[PS_SOURCE_TRAIN] > 0 || source->bad_count > 0) return PS_OK;
    return ps_fail(PS_ERR_INPUT, "%s: holds no pictures for training (looked for %s); give the folder that does",
                   folder, looked_for);
}

typedef struct {
    const char *name;
    ps_source_part part;
} named;

static int by_name(const void *a_, const void *b_) {
    const named *a = a_, *b = b_;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : (a->part > b->part) - (a->part < b->part);
}

static ps_status refuse_twice(const named *a, const named *b, const char *folder, const char *lists) {
    if (a->part == b->part)
        return ps_fail(PS_ERR_INPUT, "%s: \"%s\" stands more than once in a list of pictures (%s); keep one", folder,
                       a->name, lists);
    return ps_fail(
        PS_ERR_INPUT,
        "%s: \"%s\" is in the list of pictures to train on and in that of pictures to test on (%s), and would "
        "be tested on what it was trained on; take it out of one",
        folder, a->name, lists);
}

ps_status ps_pictures_check_once(const ps_source *source, const char *folder, const char *lists) {
    const pictures *set = source->state;
    named *all = NULL;
    size_t count = 0;
    ps_status status = PS_OK;
    PS_TRY(PS_ALLOC((size_t)source->count[0] + (size_t)source->count[1], &all, "names of pictures"));
    for (int part = 0; part < PS_SOURCE_PARTS; part++)
        for (int i = 0; i < source->count[part]; i++)
            all[count++] = (named){set->picture[part][i].name, (ps_source_part)part};
    if (count > 0) qsort(all, count, sizeof *all, by_name);
    for (size_t i = 1; i < count && status == PS_OK; i++)
        if (strcmp(all[i - 1].name, all[i].name) == 0) status = refuse_twice(&all[i - 1], &all[i], folder, lists);
    ps_free(all);
    return status;
}

bool ps_picture_has_ending(const char *name) {
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".bmp", ".gif",  ".heic",
                                          ".jp2", ".pgm", ".ppm",  ".tif", ".tiff", ".webp"};
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending != NULL && i < sizeof endings / sizeof endings[0]; i++)
        if (strcasecmp(ending, endings[i]) == 0) return true;
    return false;
}
