/* Errors. Every fallible function returns a ps_status; its results come back by pointer.
 *
 * The first failure writes one sentence (what was wrong, where, and the remedy) together with the
 * source line into a thread-local slot; callers forward the code with PS_TRY or PS_TRY_CLEANUP and add nothing.
 * Only main() prints the sentence and turns the code into an exit status. User data is never asserted on. */
#ifndef PS_CORE_STATUS_H
#define PS_CORE_STATUS_H

typedef enum {
    PS_OK = 0,
    PS_ERR_USAGE,   /* the command line or a configuration says something impossible */
    PS_ERR_INPUT,   /* a file's content is not what it should be */
    PS_ERR_IO,      /* the machine could not read or write */
    PS_ERR_MEMORY,  /* an allocation failed */
    PS_ERR_CHECK,   /* a check or test did not hold (exit 1, not 2) */
    PS_ERR_STOPPED, /* the user asked to stop; state is whole and can be resumed */
    PS_ERR_INTERNAL /* a promise inside poolscope was broken: a bug */
} ps_status;

/* Records the sentence and returns `code`. printf-style; the sentence needs no trailing newline. What a terminal would
 * obey in it (names come from files) becomes '?', newlines too, but for PS_ERR_USAGE. */
#define ps_fail(code, ...) ps_status_fail((code), __FILE__, __LINE__, __VA_ARGS__)
ps_status ps_status_fail(ps_status code, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The sentence of the latest failure on this thread ("" if none); owned by the library. */
const char *ps_status_message(void);
/* "file.c:123" of that failure, for --verbose and bug reports. */
const char *ps_status_origin(void);
/* Forgets the latest failure. */
void ps_status_reset(void);

/* Forwards a failure to the caller. */
#define PS_TRY(expression)                                \
    do {                                                  \
        ps_status ps_try_status = (expression);           \
        if (ps_try_status != PS_OK) return ps_try_status; \
    } while (0)

/* Forwards a failure to the function's single `cleanup:` label; needs a local `ps_status status`. */
#define PS_TRY_CLEANUP(expression)         \
    do {                                   \
        status = (expression);             \
        if (status != PS_OK) goto cleanup; \
    } while (0)

#endif
