/* A user's own pictures: one folder a class, JPEG and PNG in any mixture, also in folders within those: DIR/CLASS/...,
 * or DIR/train/CLASS/... with DIR/test/CLASS/... or, where there is no such, DIR/val/CLASS/... Classes are numbered in
 * the order of their names' bytes.
 *
 * Pictures of all classes are spread evenly over the order of the samples, so that a limit, or the probe set at the
 * end, has each class in its share. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/pictures.h"

enum { DEEPEST = 16, CLASSES_MOST = 32767 };

/* Pictures of a class, by their paths below the folder of the split. */
static ps_status find_pictures(const char *folder, const char *below, int depth, ps_names *out) {
    ps_names entries = {NULL, 0, 0};
    char *here = NULL, *path = NULL, *name = NULL;
    ps_status status = ps_file_join(folder, below, &here);
    if (status == PS_OK) status = ps_names_add_folder(&entries, here, "pictures of a class");
    for (size_t i = 0; status == PS_OK && i < entries.count; i++) {
        status = ps_string_format(&name, "%s/%s", below, entries.name[i]);
        if (status == PS_OK) status = ps_file_join(folder, name, &path);
        if (status == PS_OK && ps_file_is_directory(path))
            status = depth < DEEPEST ? find_pictures(folder, name, depth + 1, out)
                                     : ps_fail(PS_ERR_INPUT, "%s: lies in more than %d folders; does a link lead back?",
                                               path, DEEPEST);
        else if (status == PS_OK && ps_picture_has_ending(name)) status = ps_names_add(out, name, strlen(name));
        free(name);
        free(path);
        name = path = NULL;
    }
    ps_names_clear(&entries);
    free(here);
    return status;
}

/* Folders within a folder. */
static ps_status find_classes(const char *folder, ps_names *out) {
    ps_names entries = {NULL, 0, 0};
    char *path = NULL;
    ps_status status = ps_names_add_folder(&entries, folder, "a folder with pictures for each class");
    for (size_t i = 0; status == PS_OK && i < entries.count; i++) {
        status = ps_file_join(folder, entries.name[i], &path);
        if (status == PS_OK && ps_file_is_directory(path))
            status = ps_names_add(out, entries.name[i], strlen(entries.name[i]));
        free(path);
        path = NULL;
    }
    ps_names_clear(&entries);
    return status;
}

/* ---- the order of the samples ---- */

typedef struct {
    const char *name;
    int class_index;
    uint64_t rank, of; /* among those of its class */
} spread;

/* Picture r of n stands at (r + 1/2) / n of the whole. */
static int by_place(const void *a, const void *b) {
    const spread *x = a, *y = b;
    uint64_t first = (2 * x->rank + 1) * y->of, second = (2 * y->rank + 1) * x->of;
    if (first != second) return first < second ? -1 : 1;
    return x->class_index - y->class_index;
}

static ps_status add_spread(ps_source *source, ps_source_part part, const char *folder, const ps_names *pictures) {
    spread *all = NULL;
    size_t count = 0, at = 0;
    for (int c = 0; c < source->classes; c++) count += pictures[c].count;
    PS_TRY(PS_ALLOC(count, &all, "data set"));
    for (int c = 0; c < source->classes; c++)
        for (size_t i = 0; i < pictures[c].count; i++)
            all[at++] = (spread){pictures[c].name[i], c, i, pictures[c].count};
    if (count > 0) qsort(all, count, sizeof *all, by_place);
    ps_status status = PS_OK;
    for (size_t i = 0; status == PS_OK && i < count; i++) {
        char *path = NULL;
        status = ps_file_join(folder, all[i].name, &path);
        if (status == PS_OK) status = ps_pictures_add(source, part, all[i].name, path, NULL, all[i].class_index);
        free(path);
    }
    ps_free(all);
    return status;
}

/* ---- splits ---- */

static ps_status check_known(const char *folder, const ps_names *classes, const ps_names *own) {
    for (size_t i = 0; i < own->count; i++) {
        size_t c = 0;
        while (c < classes->count && strcmp(classes->name[c], own->name[i]) != 0) c++;
        if (c == classes->count)
            return ps_fail(PS_ERR_INPUT,
                           "%s/%s: no training picture is of such a class; folders of both parts must have the same "
                           "names",
                           folder, own->name[i]);
    }
    return PS_OK;
}

static ps_status find_of_class(const char *folder, const char *class_name, bool may_lack, ps_names *out) {
    char *path = NULL;
    PS_TRY(ps_file_join(folder, class_name, &path));
    bool there = ps_file_is_directory(path);
    free(path);
    if (there) PS_TRY(find_pictures(folder, class_name, 0, out));
    if (out->count > 0 || may_lack) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s/%s: holds no picture (.png, .jpg, .jpeg), though it stands for a class; put some there, or take "
                   "the folder away",
                   folder, class_name);
}

static ps_status add_split(ps_source *source, ps_source_part part, const char *folder, const ps_names *classes) {
    ps_names *pictures = NULL;
    PS_TRY(PS_ALLOC(classes->count, &pictures, "data set"));
    ps_status status = PS_OK;
    for (size_t c = 0; status == PS_OK && c < classes->count; c++)
        status = find_of_class(folder, classes->name[c], part == PS_SOURCE_TEST, &pictures[c]);
    if (status == PS_OK) status = add_spread(source, part, folder, pictures);
    for (size_t c = 0; c < classes->count; c++) ps_names_clear(&pictures[c]);
    ps_free(pictures);
    return status;
}

static ps_status add_test(ps_source *source, const char *folder, const ps_names *classes) {
    ps_names own = {NULL, 0, 0};
    ps_status status = find_classes(folder, &own);
    if (status == PS_OK) status = check_known(folder, classes, &own);
    ps_names_clear(&own);
    return status == PS_OK ? add_split(source, PS_SOURCE_TEST, folder, classes) : status;
}

/* Where the parts lie; *test is NULL where there is none. */
typedef struct {
    char *train, *test;
} places;

static ps_status find_places(const char *argument, places *out) {
    static const char *const names[] = {"test", "val"};
    PS_TRY(ps_file_join(argument, "train", &out->train));
    if (!ps_file_is_directory(out->train)) {
        free(out->train);
        return ps_string_copy(argument, &out->train);
    }
    for (int i = 0; i < 2 && out->test == NULL; i++) {
        PS_TRY(ps_file_join(argument, names[i], &out->test));
        if (ps_file_is_directory(out->test)) break;
        free(out->test);
        out->test = NULL;
    }
    return PS_OK;
}

static ps_status add_all(ps_source *out, const places *where, const ps_names *classes) {
    const ps_pictures_kind kind = {
        .labels = PS_LABEL_CLASS, .classes = (int)classes->count, .class_names = (const char *const *)classes->name};
    if (classes->count < 2 || classes->count > CLASSES_MOST)
        return ps_fail(PS_ERR_INPUT,
                       "%s: holds %zu folders, one for each class, but 2 to %d are needed; give the folder that holds "
                       "train, or the folders of classes",
                       where->train, classes->count, CLASSES_MOST);
    PS_TRY(ps_pictures_start(out, &kind));
    PS_TRY(add_split(out, PS_SOURCE_TRAIN, where->train, classes));
    return where->test != NULL ? add_test(out, where->test, classes) : PS_OK;
}

ps_status ps_folders_open(const char *argument, const ps_dataset_options *options, ps_source *out) {
    places where = {NULL, NULL};
    ps_names classes = {NULL, 0, 0};
    (void)options;
    ps_status status = find_places(argument, &where);
    if (status == PS_OK) status = find_classes(where.train, &classes);
    if (status == PS_OK) status = add_all(out, &where, &classes);
    ps_names_clear(&classes);
    free(where.train);
    free(where.test);
    return status;
}
