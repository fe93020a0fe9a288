/* Cityscapes (Cordts et al. 2016): leftImg8bit/SPLIT/CITY/X_leftImg8bit.png and
 * gtFine/SPLIT/CITY/X_gtFine_labelIds.png. Of 34 kinds of things 19 are trained on and judged; the others do not count.
 * The labels of the part "test" are nobody's, so that "val" is what is tested on. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/pictures.h"

enum { CLASSES = 19, IDS = 34, LICENCE_PLATE = 255 /* -1 in a byte */ };

static const char *const class_names[CLASSES] = {
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky",  "person",   "rider",    "car",  "truck", "bus",  "train",         "motorcycle",   "bicycle"};
/* The class of an id. */
static const int16_t train_id[IDS] = {-1, -1, -1, -1, -1, -1, -1, 0,  1,  -1, -1, 2,  3,  4,  -1, -1, -1,
                                      5,  -1, 6,  7,  8,  9,  10, 11, 12, 13, 14, 15, -1, -1, 16, 17, 18};

static const char image_ending[] = "_leftImg8bit.png", mask_ending[] = "_gtFine_labelIds.png";

static bool cut_ending(const char *file, const char *ending, size_t *length) {
    size_t size = strlen(file), end = strlen(ending);
    if (size <= end || strcmp(file + size - end, ending) != 0) return false;
    *length = size - end;
    return true;
}

/* What stands before the endings, of pictures and label maps alike, so that what is there alone is seen. */
static ps_status add_stems(ps_names *stems, const char *folder, const char *ending) {
    ps_names files = {NULL, 0, 0};
    size_t length;
    ps_status status = ps_names_add_folder(&files, folder, ending);
    for (size_t i = 0; status == PS_OK && i < files.count; i++)
        if (cut_ending(files.name[i], ending, &length)) status = ps_names_add(stems, files.name[i], length);
    ps_names_clear(&files);
    return status;
}

static ps_status add_pair(ps_source *source, ps_source_part part, const char *directory, const char *place,
                          const char *stem) {
    char *image = NULL, *mask = NULL;
    ps_status status = ps_string_format(&image, "leftImg8bit/%s/%s%s", place, stem, image_ending);
    if (status == PS_OK) status = ps_string_format(&mask, "gtFine/%s/%s%s", place, stem, mask_ending);
    if (status == PS_OK) status = ps_pictures_add_pair(source, part, stem, directory, image, mask);
    free(image);
    free(mask);
    return status;
}

/* place: "train/aachen". */
static ps_status add_city(ps_source *source, ps_source_part part, const char *directory, const char *place) {
    char *images = NULL, *masks = NULL;
    ps_names stems = {NULL, 0, 0};
    ps_status status = ps_string_format(&images, "%s/leftImg8bit/%s", directory, place);
    if (status == PS_OK) status = ps_string_format(&masks, "%s/gtFine/%s", directory, place);
    if (status == PS_OK) status = add_stems(&stems, images, image_ending);
    if (status == PS_OK && ps_file_is_directory(masks)) status = add_stems(&stems, masks, mask_ending);
    if (status == PS_OK) ps_names_merge(&stems);
    for (size_t i = 0; status == PS_OK && i < stems.count; i++)
        status = add_pair(source, part, directory, place, stems.name[i]);
    ps_names_clear(&stems);
    free(images);
    free(masks);
    return status;
}

static ps_status add_split(ps_source *source, ps_source_part part, const char *directory, const char *split) {
    char *folder = NULL, *place = NULL;
    ps_names cities = {NULL, 0, 0};
    PS_TRY(ps_string_format(&folder, "%s/leftImg8bit/%s", directory, split));
    ps_status status = PS_OK;
    if (ps_file_is_directory(folder)) status = ps_names_add_folder(&cities, folder, "folders of cities");
    for (size_t i = 0; status == PS_OK && i < cities.count; i++) {
        status = ps_string_format(&place, "%s/%s", split, cities.name[i]);
        if (status == PS_OK) status = add_city(source, part, directory, place);
        free(place);
        place = NULL;
    }
    ps_names_clear(&cities);
    free(folder);
    return status;
}

ps_status ps_cityscapes_open(const char *argument, const ps_dataset_options *options, ps_source *out) {
    int16_t class_of[PS_MASK_VALUES];
    const ps_pictures_kind kind = {.labels = PS_LABEL_MASK,
                                   .classes = CLASSES,
                                   .class_names = class_names,
                                   .numbers = "the ids of Cityscapes, 0 to 33",
                                   .class_of = class_of};
    (void)options;
    ps_pictures_number_classes(class_of, 0, LICENCE_PLATE);
    memcpy(class_of, train_id, sizeof train_id);
    PS_TRY(ps_pictures_start(out, &kind));
    out->in_groups = true;
    PS_TRY(add_split(out, PS_SOURCE_TRAIN, argument, "train"));
    PS_TRY(ps_pictures_check_found(out, argument, "leftImg8bit/train/CITY and gtFine/train/CITY"));
    return add_split(out, PS_SOURCE_TEST, argument, "val");
}
