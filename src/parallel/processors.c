#define _GNU_SOURCE
#include "parallel/processors.h"

#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_PATH = 4096 };

static bool read_text(const char *folder, const char *name, char *text, int size) {
    char path[LONGEST_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *stream = fopen(path, "r");
    bool there = stream != NULL && fgets(text, size, stream) != NULL;
    if (stream != NULL) fclose(stream);
    return there;
}

/* Of one group, in processors; INFINITY where it sets none. */
static double quota_of(const char *folder) {
    char text[128], period_text[128], *end;
    double quota, period;
    if (read_text(folder, "cpu.max", text, sizeof text)) { /* "QUOTA PERIOD", or "max PERIOD" */
        quota = strtod(text, &end);
        period = end != text ? strtod(end, NULL) : 0;
    } else {
        if (!read_text(folder, "cpu.cfs_quota_us", text, sizeof text) ||
            !read_text(folder, "cpu.cfs_period_us", period_text, sizeof period_text))
            return INFINITY;
        quota = strtod(text, NULL); /* -1: none */
        period = strtod(period_text, NULL);
    }
    return isfinite(quota) && quota > 0 && period > 0 ? quota / period : INFINITY;
}

/* Of a group and all above it. A container may see its own group as the root, though its name is a longer one: folders
 * that are not there are passed over. */
static double tightest(const char *mount, const char *group) {
    char folder[LONGEST_PATH];
    double quota = quota_of(mount);
    if (snprintf(folder, sizeof folder, "%s%s", mount, group) >= (int)sizeof folder) return quota;
    for (char *slash; strlen(folder) > strlen(mount); *slash = '\0') {
        quota = fmin(quota, quota_of(folder));
        slash = strrchr(folder, '/');
        if (slash == NULL) break;
    }
    return quota;
}

static bool has_word(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *p = list; p != NULL; p = strchr(p, ',') != NULL ? strchr(p, ',') + 1 : NULL)
        if (strncmp(p, word, length) == 0 && (p[length] == ',' || p[length] == '\0')) return true;
    return false;
}

/* A line "ID:CONTROLLERS:GROUP", CONTROLLERS "" of version 2. */
static double quota_of_line(const char *root, char *line) {
    static const char *const mounts_1[] = {"/cpu", "/cpu,cpuacct", "/cpuacct,cpu"}, *const mounts_2[] = {"",
                                                                                                         "/unified"};
    char *controllers = strchr(line, ':'), *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    double quota = INFINITY;
    if (group == NULL) return quota;
    *group++ = '\0';
    controllers++;
    group[strcspn(group, "\n")] = '\0';
    bool second = controllers[0] == '\0';
    if (!second && !has_word(controllers, "cpu")) return quota;
    for (int m = 0; m < (second ? 2 : 3); m++) {
        char mount[LONGEST_PATH];
        snprintf(mount, sizeof mount, "%s%s", root, second ? mounts_2[m] : mounts_1[m]);
        quota = fmin(quota, tightest(mount, group));
    }
    return quota;
}

int ps_processor_quota(const char *root, const char *membership) {
    char *line = NULL;
    size_t capacity = 0;
    double quota = INFINITY;
    FILE *stream = fopen(membership, "r");
    while (stream != NULL && getline(&line, &capacity, stream) > 0) quota = fmin(quota, quota_of_line(root, line));
    if (stream != NULL) fclose(stream);
    free(line);
    if (!isfinite(quota) || quota > 1e6) return 0;
    return quota <= 1 ? 1 : (int)ceil(quota - 1e-9);
}

int ps_processors(void) {
    cpu_set_t set;
    int allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int quota = ps_processor_quota("/sys/fs/cgroup", "/proc/self/cgroup");
    return quota > 0 && quota < allowed ? quota : allowed;
}
