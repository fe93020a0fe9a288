#include "run/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"

static const char network_groups[] = "Network,Pool Skip";

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

ps_status ps_subject_path(const char *given, char **path) {
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

void ps_subject_note(const char *path, const ps_weights_note *note) {
    if (note->prefix[0] != '\0')
        fprintf(stderr, "note: %s: every name in it begins with \"%s\"; that was left out\n", path, note->prefix);
    if (note->missing_states > 0)
        fprintf(
            stderr,
            "note: %s: has no running statistics for %d of the network's normalisations; evaluation mode takes mean 0 "
            "and variance 1 there\n",
            path, (note->missing_states + 1) / 2);
}

static ps_status open_weights(ps_checkpoint_session *s, const char *path, const ps_run_settings *settings,
                              int threads) {
    ps_weights_note note;
    s->weights_only = true;
    PS_TRY(ps_run_config_init(&s->config));
    PS_TRY(ps_run_settings_apply(settings, &s->config));
    PS_TRY(ps_session_open(&s->session, &s->config, NULL, threads));
    s->graph = s->session.graph; /* closed with the checkpoint's session, as a checkpoint's own network is */
    s->session.graph = NULL;
    PS_TRY(ps_weights_load(path, s->session.net, false, &note));
    ps_subject_note(path, &note);
    if (ps_run_settings_find(settings, "data") == NULL)
        fprintf(stderr, "note: without --data the weights are looked at on made-up images (--data synthetic)\n");
    return PS_OK;
}

static ps_status open_subject(ps_checkpoint_session *s, const char *given, const ps_run_settings *settings,
                              int threads) {
    const char *network = ps_run_settings_find(settings, network_groups);
    bool is_checkpoint;
    char *path = NULL;
    ps_status status = ps_subject_path(given, &path);
    if (status == PS_OK) status = ps_checkpoint_check(path, &is_checkpoint);
    if (status != PS_OK) goto cleanup;
    if (is_checkpoint && network != NULL)
        status = ps_fail(PS_ERR_USAGE, "%s: is a checkpoint and has its own network; leave out --%.*s", path,
                         (int)strcspn(network, "="), network);
    else if (is_checkpoint) status = ps_checkpoint_session_open(s, path, settings, threads);
    else if (network == NULL)
        status =
            ps_fail(PS_ERR_USAGE,
                    "%s: holds weights alone; say of which network: --model NAME (with --width, --stages, --size as "
                    "it has them) or --graph FILE",
                    path);
    else status = open_weights(s, path, settings, threads);
    if (status == PS_OK) s->path = path;
    if (status == PS_OK) return PS_OK;
cleanup:
    free(path);
    return status;
}

ps_status ps_subject_open(ps_checkpoint_session *session, const char *given, const ps_run_settings *settings,
                          int threads) {
    memset(session, 0, sizeof *session);
    ps_status status = open_subject(session, given, settings, threads);
    if (status != PS_OK) ps_checkpoint_session_close(session);
    return status;
}

const char *ps_subject_moment(const ps_checkpoint_session *session, char text[PS_MOMENT_TEXT]) {
    if (session->weights_only) snprintf(text, PS_MOMENT_TEXT, "of weights alone");
    else snprintf(text, PS_MOMENT_TEXT, "at step %llu", (unsigned long long)session->step);
    return text;
}
