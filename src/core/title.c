#include "core/title.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What is in small letters everywhere needs no entry. */
static const char *const written[] = {"IoU", "Dice", "NSD", "HD95"};

static void spell(char *word, size_t length) {
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        if (strlen(written[i]) == length && strncasecmp(word, written[i], length) == 0)
            memcpy(word, written[i], length);
}

const char *ps_title_of_key(const char *key, char *text, size_t size) {
    snprintf(text, size, "%s", key);
    for (char *p = text; *p != '\0'; p++)
        if (*p == '_') *p = ' ';
    for (char *p = text; *p != '\0'; p += *p == ' ') {
        size_t length = strcspn(p, " ");
        spell(p, length);
        p += length;
    }
    return text;
}
