#include "core/file_set.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/memory.h"

enum { HEX = 17 };

static const char first_line[] = "file\tbytes\tdigest\n", last_word[] = "(all)";

typedef enum { WRITTEN, MADE, SOURCE, KEPT, REMOVED } member_kind;

typedef struct {
    member_kind kind;
    bool page, listed;
    char *name, *path; /* the latter with the directory */
    char *made;        /* MADE: where it is now */
    ps_file_writer writer;
    unsigned long long bytes;
    char digest[HEX];
} member;

struct ps_file_set {
    char *directory, *name, *remedy;
    char *workshop; /* NULL: none */
    member *members;
    size_t count, capacity;
    int lock;
};

/* ---- manifests ---- */

static ps_status manifest_path(const char *directory, const char *name, char **path) {
    char *file;
    PS_TRY(ps_string_format(&file, "%s.manifest.tsv", name));
    ps_status status = ps_file_join(directory, file, path);
    free(file);
    return status;
}

typedef struct {
    char *text; /* the whole file, cut in place */
    char *next;
    unsigned long long left; /* members not handed out yet */
} manifest;

typedef struct {
    const char *name, *digest;
    unsigned long long bytes;
} entry;

/* Cuts "name TAB number TAB digest" off the text; false where there is no such line. */
static bool cut_line(char **text, entry *e) {
    char *end = strchr(*text, '\n'), *tab = end != NULL ? memchr(*text, '\t', (size_t)(end - *text)) : NULL, *stop;
    if (tab == NULL) return false;
    e->name = *text;
    e->bytes = strtoull(tab + 1, &stop, 10);
    if (stop == tab + 1 || *stop != '\t' || end - stop != HEX) return false;
    e->digest = stop + 1;
    *tab = *end = '\0';
    *text = end + 1;
    return true;
}

/* The last line counts the others and has their digest: a manifest that was damaged is not taken at its word. */
static bool is_sound(char *text, size_t size, unsigned long long *members) {
    char hex[HEX], *last = text + size;
    entry all;
    if (size < sizeof first_line || strncmp(text, first_line, sizeof first_line - 1) != 0 || last[-1] != '\n')
        return false;
    for (last--; last > text && last[-1] != '\n';) last--;
    ps_digest digest = ps_digest_start();
    ps_digest_bytes(&digest, text, (size_t)(last - text));
    ps_digest_hex(&digest, hex);
    *members = 0;
    for (const char *p = text + sizeof first_line - 1; p < last; p++) *members += *p == '\n';
    return cut_line(&last, &all) && *last == '\0' && strcmp(all.name, last_word) == 0 && all.bytes == *members &&
           strcmp(all.digest, hex) == 0;
}

/* *known false: there is none. */
static ps_status open_manifest(const char *directory, const char *name, const char *remedy, manifest *m, bool *known) {
    char *path = NULL;
    size_t size;
    ps_status status = PS_OK;
    *m = (manifest){0};
    PS_TRY(manifest_path(directory, name, &path));
    *known = ps_file_exists(path);
    if (!*known) goto cleanup;
    PS_TRY_CLEANUP(ps_file_read(path, &m->text, &size));
    if (strlen(m->text) != size || !is_sound(m->text, size, &m->left))
        PS_TRY_CLEANUP(ps_fail(PS_ERR_INPUT, "%s: is damaged, so nothing says which files belong to the %s; %s", path,
                               name, remedy));
    m->next = m->text + sizeof first_line - 1;
cleanup:
    free(path);
    if (status != PS_OK) free(m->text);
    return status;
}

static bool next_entry(manifest *m, entry *e) {
    if (m->left == 0) return false;
    m->left--;
    return cut_line(&m->next, e);
}

static ps_status check_member(const char *directory, const char *name, const char *remedy, const entry *e) {
    char *path, hex[HEX] = "";
    const char *fault = NULL;
    uint64_t bytes;
    PS_TRY(ps_file_join(directory, e->name, &path));
    ps_status status = PS_OK;
    if (!ps_file_exists(path)) fault = "is missing, a file";
    else if (ps_file_size(path, &bytes) != PS_OK || bytes != e->bytes) fault = "is not the file";
    else if ((status = ps_digest_file(path, hex)) == PS_OK && strcmp(hex, e->digest) != 0) fault = "is not the file";
    if (fault != NULL)
        status = ps_fail(PS_ERR_INPUT,
                         "%s: %s that belongs to the %s there, which is not whole: writing it was interrupted, or a "
                         "file was changed since; %s",
                         path, fault, name, remedy);
    free(path);
    return status;
}

ps_status ps_file_set_check(const char *directory, const char *name, const char *remedy, bool *known) {
    manifest m;
    entry e;
    bool there;
    ps_status status = open_manifest(directory, name, remedy, &m, &there);
    if (known != NULL) *known = there;
    PS_TRY(status);
    while (status == PS_OK && next_entry(&m, &e)) status = check_member(directory, name, remedy, &e);
    free(m.text);
    return status;
}

/* ---- beginning ---- */

static ps_status lock_directory(ps_file_set *set) {
    PS_TRY(ps_file_make_directories(set->directory));
    set->lock = open(set->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (set->lock < 0)
        return ps_fail(PS_ERR_IO, "%s: cannot be opened (%s); mend its permissions or choose another place",
                       set->directory, strerror(errno));
    if (flock(set->lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return PS_OK; /* some have no locks */
    return ps_fail(PS_ERR_USAGE, "%s: another process is writing there; wait for it, or stop it first", set->directory);
}

ps_status ps_file_set_begin(const char *directory, const char *name, const char *remedy, ps_file_set **out) {
    ps_file_set *set;
    ps_status status = PS_OK;
    *out = NULL;
    PS_TRY(PS_ALLOC(1, &set, "set of files"));
    set->lock = -1;
    PS_TRY_CLEANUP(ps_string_copy(directory, &set->directory));
    PS_TRY_CLEANUP(ps_string_copy(name, &set->name));
    PS_TRY_CLEANUP(ps_string_copy(remedy, &set->remedy));
    PS_TRY_CLEANUP(lock_directory(set));
    *out = set;
    set = NULL;
cleanup:
    ps_file_set_discard(set);
    return status;
}

static member *find(const ps_file_set *set, const char *name) {
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->members[i].name, name) == 0) return &set->members[i];
    return NULL;
}

static ps_status add(ps_file_set *set, const char *name, member_kind kind, member **out) {
    if (find(set, name) != NULL)
        return ps_fail(PS_ERR_INTERNAL, "%s stands twice in the %s of %s", name, set->name, set->directory);
    PS_TRY(PS_GROW(&set->members, &set->capacity, set->count + 1, "set of files"));
    member *m = &set->members[set->count++];
    *m = (member){.kind = kind};
    PS_TRY(ps_string_copy(name, &m->name));
    *out = m;
    return ps_file_join(set->directory, name, &m->path);
}

/* The folder a path is in; free with free(). */
static ps_status folder_of(const char *path, char **folder) {
    const char *slash = strrchr(path, '/');
    return slash == NULL   ? ps_string_copy(".", folder)
           : slash == path ? ps_string_copy("/", folder)
                           : ps_string_format(folder, "%.*s", (int)(slash - path), path);
}

/* What a killed process left of this member: the lock is held, so nobody is writing it. */
static void remove_half_written(const char *folder, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    size_t length = strlen(name);
    DIR *directory = opendir(folder);
    const struct dirent *file;
    while (directory != NULL && (file = readdir(directory)) != NULL) {
        const char *rest = file->d_name + length + 4;
        if (strncmp(file->d_name, name, length) == 0 && strncmp(file->d_name + length, ".tmp", 4) == 0 &&
            rest[0] != '\0' && rest[strspn(rest, "0123456789")] == '\0')
            unlinkat(dirfd(directory), file->d_name, 0);
    }
    if (directory != NULL) closedir(directory);
}

static ps_status prepare_folder(const member *m) {
    char *folder;
    PS_TRY(folder_of(m->path, &folder));
    ps_status status = ps_file_make_directories(folder);
    if (status == PS_OK) remove_half_written(folder, m->path);
    free(folder);
    return status;
}

ps_status ps_file_set_add(ps_file_set *set, const char *name, FILE **stream) {
    member *m;
    PS_TRY(add(set, name, WRITTEN, &m));
    PS_TRY(prepare_folder(m));
    PS_TRY(ps_file_writer_open(&m->writer, m->path));
    *stream = m->writer.stream;
    return PS_OK;
}

ps_status ps_file_set_add_made(ps_file_set *set, const char *name, const char *made) {
    member *m;
    PS_TRY(add(set, name, MADE, &m));
    PS_TRY(ps_string_copy(made, &m->made));
    return prepare_folder(m);
}

ps_status ps_file_set_workshop(ps_file_set *set, const char **folder) {
    char *name;
    PS_TRY(ps_string_format(&name, ".%s.new", set->name));
    ps_status status = ps_file_join(set->directory, name, &set->workshop);
    free(name);
    PS_TRY(status);
    ps_file_remove_directory(set->workshop); /* what a killed process left */
    PS_TRY(ps_file_make_directories(set->workshop));
    *folder = set->workshop;
    return PS_OK;
}

void ps_file_set_is_page(ps_file_set *set) { set->members[set->count - 1].page = true; }

static void clear_member(member *m) {
    ps_file_writer_discard(&m->writer);
    free(m->name);
    free(m->path);
    free(m->made);
}

void ps_file_set_withdraw(ps_file_set *set) { clear_member(&set->members[--set->count]); }

ps_status ps_file_set_add_source(ps_file_set *set, const char *name) {
    member *m;
    return add(set, name, SOURCE, &m);
}

ps_status ps_file_set_remove(ps_file_set *set, const char *name) {
    member *m;
    return find(set, name) != NULL ? PS_OK : add(set, name, REMOVED, &m);
}

/* A damaged manifest names nothing that could be kept or removed. */
static ps_status add_others(ps_file_set *set, member_kind kind) {
    manifest earlier;
    entry e;
    bool known;
    ps_status status = open_manifest(set->directory, set->name, set->remedy, &earlier, &known);
    if (status == PS_ERR_INPUT) return PS_OK;
    while (status == PS_OK && next_entry(&earlier, &e)) {
        member *m = NULL;
        if (find(set, e.name) != NULL) continue;
        status = add(set, e.name, kind, &m);
        if (status != PS_OK) break;
        m->bytes = e.bytes;
        snprintf(m->digest, sizeof m->digest, "%s", e.digest);
    }
    free(earlier.text);
    return status;
}

ps_status ps_file_set_keep_others(ps_file_set *set) { return add_others(set, KEPT); }
ps_status ps_file_set_remove_others(ps_file_set *set) { return add_others(set, REMOVED); }

/* ---- putting in place ---- */

static ps_status measure(member *m, const char *path) {
    uint64_t bytes;
    PS_TRY(ps_file_size(path, &bytes));
    PS_TRY(ps_digest_file(path, m->digest));
    m->bytes = bytes;
    m->listed = true;
    return PS_OK;
}

/* Everything that can fail for want of space happens here. */
static ps_status finish_member(member *m) {
    switch (m->kind) {
        case WRITTEN:
            PS_TRY(ps_file_writer_finish(&m->writer));
            /* What is no regular file (a device, a pipe) is written already, and cannot be read again. */
            return m->writer.temporary != NULL ? measure(m, m->writer.temporary) : PS_OK;
        case MADE: PS_TRY(ps_file_sync(m->made)); return measure(m, m->made);
        case SOURCE: return measure(m, m->path);
        case KEPT: m->listed = true; return PS_OK;
        case REMOVED: return PS_OK;
    }
    return PS_OK;
}

static ps_status write_manifest(ps_file_set *set, ps_file_writer *writer) {
    char *path, *text = NULL, hex[HEX];
    size_t size, listed = 0;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL) return ps_fail(PS_ERR_MEMORY, "no memory for the manifest of the %s", set->name);
    fputs(first_line, memory);
    for (size_t i = 0; i < set->count; i++) {
        const member *m = &set->members[i];
        if (!m->listed) continue;
        listed++;
        fprintf(memory, "%s\t%llu\t%s\n", m->name, m->bytes, m->digest);
    }
    ps_status status = ps_memory_stream_close(memory, &text, "the manifest of a set of files");
    if (status == PS_OK) status = manifest_path(set->directory, set->name, &path);
    if (status == PS_OK) {
        ps_digest digest = ps_digest_start();
        ps_digest_bytes(&digest, text, size);
        ps_digest_hex(&digest, hex);
        status = ps_file_writer_open(writer, path);
        free(path);
    }
    if (status == PS_OK) {
        fprintf(writer->stream, "%s%s\t%zu\t%s\n", text, last_word, listed, hex);
        status = ps_file_writer_finish(writer);
    }
    free(text);
    return status;
}

static ps_status remove_file(const char *path) {
    if (unlink(path) == 0 || errno == ENOENT) return PS_OK;
    return ps_fail(PS_ERR_IO, "%s: the earlier one could not be removed (%s); remove it and run again", path,
                   strerror(errno));
}

/* Pages and what is no part any more go first: without its manifest nobody would know of the latter. */
static ps_status remove_earlier(const ps_file_set *set) {
    for (size_t i = 0; i < set->count; i++)
        if (set->members[i].kind == REMOVED || set->members[i].page) PS_TRY(remove_file(set->members[i].path));
    return PS_OK;
}

/* A folder of the set may be a link to another file system. */
static ps_status copy_made(const member *m) {
    char *content;
    size_t size;
    PS_TRY(ps_file_read(m->made, &content, &size));
    ps_status status = ps_file_write(m->path, content, size);
    free(content);
    return status;
}

static ps_status put_member(const ps_file_set *set, member *m) {
    int reason = 0;
    if (m->kind == WRITTEN && ps_file_writer_put(&m->writer) != PS_OK) reason = errno;
    if (m->kind == MADE && rename(m->made, m->path) != 0) reason = errno;
    if (reason == EXDEV && m->kind == MADE) return copy_made(m);
    if (reason == 0) return PS_OK;
    return ps_fail(PS_ERR_IO, "%s: could not be put in place (%s), so the %s there is not whole now; mend that, and %s",
                   m->path, strerror(reason), set->name, set->remedy);
}

static ps_status sync_folders(const ps_file_set *set) {
    char *folder = NULL, *before = NULL;
    ps_status status = PS_OK;
    for (size_t i = 0; i < set->count && status == PS_OK; i++) {
        status = folder_of(set->members[i].path, &folder);
        if (status == PS_OK && (before == NULL || strcmp(folder, before) != 0)) ps_file_sync_directory(folder);
        free(before);
        before = folder;
        folder = NULL;
    }
    free(before);
    return status;
}

static ps_status commit(ps_file_set *set, ps_file_writer *manifest_writer) {
    for (size_t i = 0; i < set->count; i++) PS_TRY(finish_member(&set->members[i]));
    PS_TRY(write_manifest(set, manifest_writer));
    PS_TRY(remove_earlier(set));
    PS_TRY(ps_file_writer_put(manifest_writer));
    ps_file_sync_directory(set->directory); /* before any member: it is what gives them away */
    for (size_t i = 0; i < set->count; i++) PS_TRY(put_member(set, &set->members[i]));
    return sync_folders(set);
}

ps_status ps_file_set_commit(ps_file_set *set) {
    ps_file_writer manifest_writer = {0};
    ps_status status = commit(set, &manifest_writer);
    ps_file_writer_discard(&manifest_writer);
    ps_file_set_discard(set);
    return status;
}

void ps_file_set_discard(ps_file_set *set) {
    if (set == NULL) return;
    for (size_t i = 0; i < set->count; i++) clear_member(&set->members[i]);
    ps_free_array(set->members);
    if (set->workshop != NULL) ps_file_remove_directory(set->workshop);
    free(set->workshop);
    if (set->lock >= 0) close(set->lock);
    free(set->directory);
    free(set->name);
    free(set->remedy);
    ps_free(set);
}
