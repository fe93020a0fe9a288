#include "task/pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/file.h"
#include "core/file_set.h"
#include "core/json.h"
#include "core/memory.h"
#include "task/overlay.h"

/* Pixels of the longest side: what a page shows beside others. */
enum { LONGEST_FLAT = 320, LONGEST_SLICE = 160, NAME = 40 };

static const char set_name[] = "pictures", remedy[] = "train the run again", list_name[] = "pictures.json";
static const char *const panel_name[PS_OVERLAY_PANELS] = {
    [PS_OVERLAY_IMAGE] = "image", [PS_OVERLAY_TRUTH] = "truth", [PS_OVERLAY_PREDICTED] = "predicted"};

typedef struct {
    const ps_task_split *on;
    ps_cases cases;
    ps_file_set *set;
    const char *workshop;
    cJSON *samples;
} drawing;

static void name_of(int number, int panel, char name[NAME]) {
    snprintf(name, NAME, "%d.%s.png", number, panel_name[panel]);
}

static ps_status draw_panels(const drawing *d, const ps_overlay *overlay, int number) {
    ps_status status = PS_OK;
    for (int p = 0; p < PS_OVERLAY_PANELS && status == PS_OK; p++) {
        char name[NAME], *path;
        const ps_overlay_panel panel = (ps_overlay_panel)p;
        name_of(number, p, name);
        PS_TRY(ps_file_join(d->workshop, name, &path));
        status = ps_overlay_write(overlay, &panel, 1, path);
        if (status == PS_OK) status = ps_file_set_add_made(d->set, name, path);
        free(path);
    }
    return status;
}

static void note_sample(drawing *d, const ps_case *found, int index) {
    cJSON *sample = cJSON_CreateObject();
    if (found->file.name != NULL) cJSON_AddStringToObject(sample, "name", found->file.name);
    cJSON_AddNumberToObject(sample, "index", index);
    cJSON_AddItemToArray(d->samples, sample);
}

static ps_status draw_sample(drawing *d, int number, int index) {
    ps_case found;
    ps_overlay *overlay;
    PS_TRY(ps_cases_run(&d->cases, d->on->split, index, &found));
    int longest = found.shape.d > 1 ? LONGEST_SLICE : LONGEST_FLAT;
    PS_TRY(ps_overlay_open(d->on->dataset, d->on->split, index, &found, longest, &overlay));
    ps_status status = draw_panels(d, overlay, number);
    ps_overlay_close(overlay);
    note_sample(d, &found, index);
    return status;
}

static cJSON *class_list(const ps_dataset *dataset) {
    cJSON *list = cJSON_CreateArray();
    for (int k = 0; k < ps_dataset_classes(dataset); k++) {
        char colour[8];
        uint8_t rgb[3];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", ps_dataset_class_name(dataset, k));
        if (ps_overlay_colour(k, rgb)) {
            snprintf(colour, sizeof colour, "#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
            cJSON_AddStringToObject(item, "colour", colour);
        }
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

static ps_status write_list(drawing *d) {
    cJSON *document = cJSON_CreateObject();
    char *text = NULL;
    FILE *stream;
    ps_status status = PS_OK;
    cJSON_AddStringToObject(document, "format", "poolscope-pictures");
    cJSON_AddNumberToObject(document, "version", 1);
    cJSON_AddItemToObject(document, "classes", class_list(d->on->dataset));
    cJSON_AddItemToObject(document, "samples", d->samples);
    d->samples = NULL;
    PS_TRY_CLEANUP(ps_json_text_lines(document, &text));
    PS_TRY_CLEANUP(ps_file_set_add(d->set, list_name, &stream));
    fputs(text, stream);
cleanup:
    cJSON_free(text);
    cJSON_Delete(document);
    return status;
}

static ps_status draw_all(drawing *d, int count) {
    int images = d->on->images;
    if (count > images) count = images;
    if (count > PS_PICTURES_MOST) count = PS_PICTURES_MOST;
    PS_TRY(ps_file_set_workshop(d->set, &d->workshop));
    for (int i = 0; i < count; i++) PS_TRY(draw_sample(d, i + 1, (int)((int64_t)i * images / count)));
    PS_TRY(write_list(d));
    return ps_file_set_remove_others(d->set);
}

ps_status ps_pictures_draw(const ps_task_split *on, int count, const char *folder) {
    drawing d = {.on = on};
    PS_TRY(ps_file_set_begin(folder, set_name, remedy, &d.set));
    d.samples = cJSON_CreateArray();
    ps_status status = ps_cases_open(on, &d.cases);
    if (status == PS_OK) status = draw_all(&d, count);
    ps_cases_close(&d.cases);
    cJSON_Delete(d.samples);
    if (status == PS_OK) return ps_file_set_commit(d.set);
    ps_file_set_discard(d.set);
    return status;
}

static void remove_file(const char *folder, const char *name) {
    char *path;
    if (ps_file_join(folder, name, &path) != PS_OK) return;
    unlink(path);
    free(path);
}

/* The list goes first: without it there are no pictures. */
void ps_pictures_remove(const char *folder) {
    char name[NAME];
    remove_file(folder, list_name);
    snprintf(name, sizeof name, "%s.manifest.tsv", set_name);
    remove_file(folder, name);
    for (int number = 1; number <= PS_PICTURES_MOST; number++)
        for (int p = 0; p < PS_OVERLAY_PANELS; p++) {
            name_of(number, p, name);
            remove_file(folder, name);
        }
    rmdir(folder);
}
