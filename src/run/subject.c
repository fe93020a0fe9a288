#include "run/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "run/directory.h"
#include "run/held_apart.h"

static const char network_groups[] = "Network,Pool Skip";

static void say_backbone(const char *path, const ps_weights_note *note) {
    char idle[PS_MOST_PREFIX + 80] = "";
    if (note->idle > 0)
        snprintf(idle, sizeof idle, "; %d of its tensors (\"%s\" first) are left out", note->idle, note->first_idle);
    fprintf(stderr,
            "note: %s: holds a backbone by itself: %d parameters come from it, the other %d start as they do without "
            "it%s\n",
            path, note->taken, note->kept, idle);
}

void ps_subject_note(const char *path, const ps_weights_note *note) {
    if (note->prefix[0] != '\0')
        fprintf(stderr, "note: %s: every name in it begins with \"%s\"; that was left out\n", path, note->prefix);
    if (note->wrapper != NULL)
        fprintf(stderr, "note: %s: \"%s\", a wrapper's word, stands in its names; it was left out\n", path,
                note->wrapper);
    if (note->shared > 0)
        fprintf(stderr,
                "note: %s: %d of its parameter%s under another's name alone, which it shared; here each is its own, "
                "with the same values\n",
                path, note->shared, note->shared > 1 ? "s stand" : " stands");
    if (note->taken > 0) say_backbone(path, note);
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
    PS_TRY(ps_held_apart_settle(&s->config));
    PS_TRY(ps_session_open(&s->session, &s->config, NULL, threads));
    s->graph = s->session.graph; /* closed with the checkpoint's session, as a checkpoint's own network is */
    s->session.graph = NULL;
    PS_TRY(ps_weights_load(path, s->session.net, false, &note));
    if (note.taken > 0)
        return ps_fail(PS_ERR_INPUT,
                       "%s: holds a backbone by itself, and %d parameters of the network are not in it; train with it "
                       "(poolscope train --init), and look at what comes of that",
                       path, note.kept);
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
    ps_status status = ps_run_weights_path(given, &path);
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
