/* CamVid (Brostow et al. 2008) as SegNet's authors give it: train/, val/, test/ with pictures, and beside each a folder
 * ...annot/ with label maps of the same names: 11 classes, and 11 where none counts. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/pictures.h"

enum { CLASSES = 11, IGNORED = 11 };

static const char *const class_names[CLASSES] = {"sky",         "building", "pole", "road",       "pavement", "tree",
                                                 "sign symbol", "fence",    "car",  "pedestrian", "bicyclist"};

static bool has_folder(const char *directory, const char *name) {
    char *path = NULL;
    bool there = ps_file_join(directory, name, &path) == PS_OK && ps_file_is_directory(path);
    free(path);
    return there;
}

static ps_status add_pair(ps_source *source, ps_source_part part, const char *directory, const char *split,
                          const char *file) {
    char *image = NULL, *mask = NULL, *name = NULL;
    ps_status status = ps_string_format(&image, "%s/%s", split, file);
    if (status == PS_OK) status = ps_string_format(&mask, "%sannot/%s", split, file);
    if (status == PS_OK) status = ps_string_format(&name, "%.*s", (int)(strrchr(file, '.') - file), file);
    if (status == PS_OK) status = ps_pictures_add_pair(source, part, name, directory, image, mask);
    free(image);
    free(mask);
    free(name);
    return status;
}

/* The names of both folders, so that what is in one alone is seen. */
static ps_status add_split(ps_source *source, ps_source_part part, const char *directory, const char *split) {
    char *folder[2] = {NULL, NULL};
    ps_names names = {NULL, 0, 0};
    ps_status status = ps_string_format(&folder[0], "%s/%s", directory, split);
    if (status == PS_OK) status = ps_string_format(&folder[1], "%s/%sannot", directory, split);
    for (int i = 0; status == PS_OK && i < 2; i++)
        status = ps_names_add_folder(&names, folder[i], i == 0 ? "pictures" : "label maps of CamVid");
    if (status == PS_OK) ps_names_merge(&names);
    for (size_t i = 0; status == PS_OK && i < names.count; i++)
        if (ps_picture_has_ending(names.name[i])) status = add_pair(source, part, directory, split, names.name[i]);
    ps_names_clear(&names);
    free(folder[0]);
    free(folder[1]);
    return status;
}

ps_status ps_camvid_open(const char *argument, const ps_dataset_options *options, ps_source *out) {
    int16_t class_of[PS_MASK_VALUES];
    const ps_pictures_kind kind = {.labels = PS_LABEL_MASK,
                                   .classes = CLASSES,
                                   .class_names = class_names,
                                   .numbers = "0 to 10, and 11 where none counts",
                                   .class_of = class_of};
    (void)options;
    ps_pictures_number_classes(class_of, CLASSES, IGNORED);
    PS_TRY(ps_pictures_start(out, &kind));
    out->in_groups = true;
    if (has_folder(argument, "train")) PS_TRY(add_split(out, PS_SOURCE_TRAIN, argument, "train"));
    PS_TRY(ps_pictures_check_found(out, argument, "train and trainannot"));
    if (has_folder(argument, "test")) return add_split(out, PS_SOURCE_TEST, argument, "test");
    return has_folder(argument, "val") ? add_split(out, PS_SOURCE_TEST, argument, "val") : PS_OK;
}
