#include "run/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "trace/trace_registration.h"
#include "trace/trace_schema.h"
#include "trace/trace_input.h"

/* Two processes that write one trace would ruin it. The lock goes with the process, however it ends. */
ps_status ps_run_lock(const char *directory, int *lock) {
    PS_TRY(ps_file_make_directories(directory));
    *lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0)
        return ps_fail(PS_ERR_IO, "%s: cannot be opened (%s); mend its permissions or choose another place", directory,
                       strerror(errno));
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return PS_OK; /* some file systems have no locks */
    return ps_fail(PS_ERR_USAGE, "%s: another process is running there; wait for it, or stop it first", directory);
}

/* Temporary files of a process that was killed while it wrote them (core/file.h). The lock is held, so they are
 * nobody's. */
void ps_run_remove_half_written(const char *path) {
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL)
        if (strncmp(entry->d_name, "checkpoint.safetensors.tmp", 26) == 0 ||
            strncmp(entry->d_name, "config.json.tmp", 15) == 0 ||
            strncmp(entry->d_name, "registration.json.tmp", 21) == 0)
            unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory != NULL) closedir(directory);
}

ps_status ps_run_config_text(const ps_run_config *config, char **text) {
    cJSON *json = NULL;
    ps_status status = ps_run_config_to_json(config, &json);
    char *printed = NULL;
    if (status == PS_OK) status = ps_json_text(json, &printed);
    cJSON_Delete(json);
    if (status == PS_OK) status = ps_string_copy(printed, text);
    cJSON_free(printed);
    return status;
}

ps_status ps_run_write_config(const char *path, const ps_run_config *config) {
    cJSON *json = NULL;
    ps_status status = ps_run_config_to_json(config, &json);
    char *text = NULL;
    if (status == PS_OK) status = ps_json_text_lines(json, &text);
    if (status == PS_OK) status = ps_file_write(path, text, strlen(text));
    cJSON_free(text);
    cJSON_Delete(json);
    return status;
}

ps_status ps_run_read_config(const char *directory, ps_run_config *config) {
    char *path = NULL;
    cJSON *json = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_file_join(directory, "config.json", &path));
    if (!ps_file_exists(path))
        PS_TRY_CLEANUP(ps_fail(
            PS_ERR_INPUT, "%s: holds no run (no config.json in it); give a directory that `poolscope train --out` made",
            directory));
    PS_TRY_CLEANUP(ps_json_read(path, &json));
    status = ps_run_config_read_json(config, json, path, NULL);
cleanup:
    cJSON_Delete(json);
    free(path);
    return status;
}

ps_status ps_run_write_registration(const char *directory, const char *text) {
    char *path;
    PS_TRY(ps_file_join(directory, "registration.json", &path));
    ps_status status = PS_OK;
    if (text != NULL) status = ps_file_write(path, text, strlen(text));
    else unlink(path);
    free(path);
    return status;
}

ps_status ps_run_read_registration(const char *directory, char **text) {
    ps_registration registration;
    char *path = NULL;
    cJSON *json = NULL;
    ps_status status = PS_OK;
    *text = NULL;
    PS_TRY(ps_file_join(directory, "registration.json", &path));
    if (!ps_file_exists(path)) goto cleanup;
    PS_TRY_CLEANUP(ps_json_read(path, &json));
    PS_TRY_CLEANUP(ps_registration_parse(json, path, &registration));
    status = ps_registration_text(&registration, text);
cleanup:
    cJSON_Delete(json);
    free(path);
    return status;
}

/* The last line, where it is whole; NULL where not. Of a packed trace the rest is unpacked on the way; free with
 * free. */
static char *read_last(const char *path) {
    enum { TAIL = 4096 }; /* a plain trace is looked at from its end */
    char *line = NULL, *last = NULL;
    size_t length = 0;
    ps_trace_input *input;
    if (ps_trace_input_open(path, &input) != PS_OK) return NULL;
    if (ps_trace_input_packing(input) == PS_PACKING_NONE) ps_trace_input_skip_to_tail(input, TAIL);
    while (ps_trace_input_line(input, &line, &length) == PS_OK && length > 0) {
        free(last);
        last = line[length - 1] == '\n' ? strndup(line, length - 1) : NULL;
    }
    ps_trace_input_close(input);
    return last;
}

/* The trace's last line, where it is whole and an `end` record: it says how the run ended. words: what stands in it,
 * too. */
static bool read_end(const char *directory, const char *words) {
    char begin[64], *path = NULL;
    bool found = false;
    snprintf(begin, sizeof begin, "{\"%s\":\"%s\"", PS_TRACE_TYPE, ps_record_word(PS_RECORD_END));
    if (ps_trace_find(directory, &path) == PS_OK) {
        char *line = read_last(path);
        found = line != NULL && strstr(line, begin) == line && strstr(line, words) != NULL;
        free(line);
    }
    ps_status_reset();
    free(path);
    return found;
}

bool ps_run_finished(const char *directory) { return read_end(directory, ""); }

bool ps_run_nonfinite(const char *directory) {
    char words[64];
    snprintf(words, sizeof words, "\"%s\":", PS_KEY(END, nonfinite));
    return read_end(directory, words);
}

bool ps_run_diverged(const char *directory) {
    char words[64];
    snprintf(words, sizeof words, "\"%s\":\"%s\"", PS_KEY(END, status), PS_WORD(STATUS, DIVERGED));
    return read_end(directory, words);
}

ps_status ps_run_check_place(const char *directory, bool occupied) {
    char *trace = NULL;
    if (directory[0] == '\0') return ps_fail(PS_ERR_USAGE, "the name of a run's directory is empty; give one");
    if (ps_file_exists(directory) && !ps_file_is_directory(directory))
        return ps_fail(PS_ERR_USAGE, "%s: a file of that name is in the way; choose another --out", directory);
    PS_TRY(ps_trace_find(directory, &trace));
    bool taken = !occupied && ps_file_exists(trace);
    free(trace);
    if (!taken) return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "%s: holds a run already; choose another --out, go on with --resume %s, or replace it with --force",
                   directory, directory);
}

/* ---- weights ---- */

/* A file of weights begins with the length of its header, eight bytes, of which the high ones are 0. */
static bool is_json(const char *given) {
    char bytes[8];
    FILE *stream = fopen(given, "rb");
    size_t count = stream != NULL ? fread(bytes, 1, sizeof bytes, stream) : 0;
    if (stream != NULL) fclose(stream);
    return count > 0 && bytes[0] == '{' && memchr(bytes, 0, count) == NULL;
}

static ps_status refuse_json(const char *given) {
    const char *slash = strrchr(given, '/');
    char *checkpoint = NULL, *folder = NULL;
    if (!is_json(given)) return PS_OK;
    PS_TRY(ps_string_format(&folder, "%.*s", slash != NULL ? (int)(slash - given) + (slash == given) : 1,
                            slash != NULL ? given : "."));
    ps_status status = ps_file_join(folder, "checkpoint.safetensors", &checkpoint);
    if (status == PS_OK)
        status =
            ps_fail(PS_ERR_INPUT,
                    "%s: is JSON, as a trace is, and holds no weights; give the directory of the run%s%s, or its "
                    "checkpoint.safetensors",
                    given, ps_file_exists(checkpoint) ? ", which is " : "", ps_file_exists(checkpoint) ? folder : "");
    free(checkpoint);
    free(folder);
    return status;
}

ps_status ps_run_weights_path(const char *given, char **path) {
    char *experiment = NULL;
    *path = NULL;
    if (!ps_file_is_directory(given)) {
        PS_TRY(refuse_json(given));
        return ps_string_copy(given, path);
    }
    PS_TRY(ps_file_join(given, "checkpoint.safetensors", path));
    if (ps_file_exists(*path)) return PS_OK;
    free(*path);
    *path = NULL;
    PS_TRY(ps_file_join(given, "runs", &experiment));
    bool holds_runs = ps_file_is_directory(experiment);
    free(experiment);
    if (holds_runs)
        return ps_fail(PS_ERR_INPUT,
                       "%s: is the directory of an experiment; name one of its runs, as in %s/runs/ARM/seed-N", given,
                       given);
    return ps_fail(PS_ERR_INPUT,
                   "%s: holds no checkpoint.safetensors; give the directory of a run, or a file of weights", given);
}
