#include "data/unlabelled.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/pictures.h"
#include "data/volumes.h"

enum { CHANNELS_MOST = 64 };

/* Label maps are called as their images are, without the ending. */
static ps_status refuse_twins(const char *folder, const char *a, const char *b) {
    return ps_fail(PS_ERR_INPUT,
                   "%s: two images are called %s but for their endings (%s), and so would be their label maps; rename "
                   "one of them",
                   folder, a, b);
}

/* ---- volumes ---- */

/* How many files from `first` on are the channels 0, 1, .. of one case; 0: the first is no channel 0. */
static int channels_of(const ps_volume_names *names, size_t first) {
    int channel, count = 0;
    size_t length = ps_volume_channel(names->stem[first], &channel);
    for (size_t i = first; length > 0 && i < names->count; i++, count++) {
        bool same = strncmp(names->stem[i], names->stem[first], length) == 0 &&
                    ps_volume_channel(names->stem[i], &channel) == length && channel == count;
        if (!same) break;
    }
    return count;
}

/* amos_0000 may be a case or a channel of one: it is a channel where all files come in such groups. */
static bool has_channel_files(const ps_volume_names *names, int channels) {
    for (size_t i = 0; i < names->count; i += (size_t)channels)
        if (channels_of(names, i) != channels) return false;
    return names->count > 0;
}

static ps_status add_case(ps_source *out, const ps_volume_names *names, size_t first, int files) {
    const char *path[CHANNELS_MOST], *stem = names->stem[first];
    char *name;
    int channel;
    size_t length = files > 0 ? ps_volume_channel(stem, &channel) : strlen(stem);
    for (int i = 0; i < files || i == 0; i++) path[i] = names->path[first + (size_t)i];
    PS_TRY(ps_string_format(&name, "%.*s", (int)length, stem));
    ps_status status = ps_volumes_add(out, PS_SOURCE_TRAIN, name, path, files > 0 ? files : 1, NULL);
    free(name);
    return status;
}

static ps_status open_volumes(const char *folder, const ps_volume_names *names, int classes, int channels,
                              ps_source *out) {
    bool grouped = channels <= CHANNELS_MOST && has_channel_files(names, channels);
    PS_TRY(ps_volumes_start(out));
    PS_TRY(ps_volumes_set_classes(out, classes, -1));
    ps_volumes_without_labels(out);
    for (size_t i = 0; i < names->count; i += (size_t)(grouped ? channels : 1))
        PS_TRY(add_case(out, names, i, grouped ? channels : 0));
    return ps_volumes_finish(out, folder, 0);
}

/* ---- pictures ---- */

static size_t stem_of(const char *name) { return (size_t)(strrchr(name, '.') - name); }

static ps_status add_picture(ps_source *out, const char *folder, const char *name) {
    char *path = NULL, *stem = NULL;
    ps_status status = ps_file_join(folder, name, &path);
    if (status == PS_OK) status = ps_string_format(&stem, "%.*s", (int)stem_of(name), name);
    if (status == PS_OK) status = ps_pictures_add(out, PS_SOURCE_TRAIN, stem, path, NULL, -1);
    free(path);
    free(stem);
    return status;
}

/* Names of one stem stand together, or have names that begin as it does between them. */
static const char *twin_of(const ps_names *names, size_t at) {
    size_t length = stem_of(names->name[at]);
    for (size_t i = at; i-- > 0 && strncmp(names->name[i], names->name[at], length) == 0;)
        if (stem_of(names->name[i]) == length) return names->name[i];
    return NULL;
}

static ps_status open_pictures(const char *folder, const ps_names *names, int classes, ps_source *out) {
    const ps_pictures_kind kind = {.labels = PS_LABEL_MASK, .classes = classes};
    PS_TRY(ps_pictures_start(out, &kind));
    for (size_t i = 0; i < names->count; i++) {
        const char *twin = twin_of(names, i);
        if (twin != NULL) return refuse_twins(folder, names->name[i], twin);
        PS_TRY(add_picture(out, folder, names->name[i]));
    }
    return PS_OK;
}

/* ---- which ---- */

static ps_status find_pictures(const char *folder, ps_names *out) {
    ps_names all = {NULL, 0, 0};
    ps_status status = ps_names_add_folder(&all, folder, "pictures or volumes");
    for (size_t i = 0; status == PS_OK && i < all.count; i++)
        if (ps_picture_has_ending(all.name[i])) status = ps_names_add(out, all.name[i], strlen(all.name[i]));
    ps_names_clear(&all);
    return status;
}

static ps_status open_found(const char *folder, const ps_names *pictures, const ps_volume_names *volumes, int classes,
                            int channels, ps_source *out) {
    if (pictures->count > 0 && volumes->count > 0)
        return ps_fail(PS_ERR_INPUT, "%s: holds pictures (%s) and volumes (%s); give a folder with one kind", folder,
                       pictures->name[0], volumes->path[0]);
    if (volumes->count > 0) return open_volumes(folder, volumes, classes, channels, out);
    if (pictures->count > 0) return open_pictures(folder, pictures, classes, out);
    return ps_fail(
        PS_ERR_INPUT,
        "%s: holds no images (looked for .png, .jpg, .jpeg, .nii and .nii.gz); give the folder that they lie "
        "in",
        folder);
}

ps_status ps_unlabelled_open(const char *folder, int classes, int channels, ps_source *out) {
    ps_names pictures = {NULL, 0, 0};
    ps_volume_names volumes = {.count = 0};
    memset(out, 0, sizeof *out);
    ps_status status = find_pictures(folder, &pictures);
    if (status == PS_OK) status = ps_volume_names_read(folder, &volumes);
    if (status == PS_OK) status = open_found(folder, &pictures, &volumes, classes, channels, out);
    ps_names_clear(&pictures);
    ps_volume_names_clear(&volumes);
    return status;
}
