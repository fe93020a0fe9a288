/* Storage of a format's samples (format.h). */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"
#include "data/format.h"

size_t ps_images_sample_bytes(const ps_images *images) {
    return ps_shape_elements(images->shape) * (images->type == PS_PIXEL_BYTE ? sizeof(uint8_t) : sizeof(float));
}

ps_status ps_images_reserve(const ps_images *images, ps_image_split *split, size_t count) {
    if (count <= split->capacity) return PS_OK;
    if (count > INT_MAX) return ps_fail(PS_ERR_INPUT, "a data set may hold at most %d samples; split it", INT_MAX);
    size_t sample = ps_images_sample_bytes(images), labels = images->labels_per_sample;
    void *pixel = NULL;
    int16_t *label = NULL;
    ps_status status = ps_alloc(count, sample, "data set", &pixel);
    if (status == PS_OK) status = PS_ALLOC(count * labels, &label, "data set");
    if (status != PS_OK) {
        ps_free(pixel);
        return status;
    }
    if (split->count > 0) {
        memcpy(pixel, split->pixel, (size_t)split->count * sample);
        memcpy(label, split->label, (size_t)split->count * labels * sizeof *label);
    }
    ps_free(split->pixel);
    ps_free(split->label);
    split->pixel = pixel;
    split->label = label;
    split->capacity = count;
    return PS_OK;
}

/* One line of a names file; control characters and what is no UTF-8 would garble tables, terminals and JSON. */
static void copy_name(char name[PS_CLASS_NAME_SIZE], const char *line, size_t length) {
    if (length > PS_CLASS_NAME_SIZE - 1) length = PS_CLASS_NAME_SIZE - 1;
    memcpy(name, line, length);
    name[length] = '\0';
    ps_text_make_showable(name, false);
}

static int split_names(const char *text, int classes, char (*names)[PS_CLASS_NAME_SIZE]) {
    int found = 0;
    text = ps_text_skip_mark(text);
    while (*text != '\0' && found < classes) {
        size_t length = strcspn(text, "\r\n");
        if (length > 0) copy_name(names[found++], text, length);
        text += length;
        text += strspn(text, "\r\n");
    }
    return found;
}

ps_status ps_images_read_class_names(ps_images *images, const char *path) {
    char *text = NULL;
    char(*names)[PS_CLASS_NAME_SIZE] = NULL;
    if (!ps_file_exists(path)) return PS_OK;
    ps_status status = ps_file_read(path, &text, NULL);
    if (status == PS_OK) status = PS_ALLOC((size_t)images->classes, &names, "class names");
    if (status == PS_OK && split_names(text, images->classes, names) == images->classes) {
        ps_free(images->class_names);
        images->class_names = names;
        names = NULL;
    }
    ps_free(names);
    free(text);
    return status;
}

static void clear_split(ps_image_split *split) {
    ps_free(split->pixel);
    ps_free(split->label);
}

void ps_images_clear(ps_images *images) {
    clear_split(&images->train);
    clear_split(&images->test);
    ps_free(images->class_names);
    memset(images, 0, sizeof *images);
}
