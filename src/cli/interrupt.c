#define _GNU_SOURCE
#include "cli/interrupt.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

static volatile int own;
static volatile int *stop;

static void handle(int number) {
    (void)number;
    *stop = 1;
}

/* In memory that child processes share: a signal to any process of an experiment stops all of it, wherever it
 * arrives. */
static volatile int *make_flag(void) {
    void *page = mmap(NULL, sizeof *stop, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED ? page : &own;
}

volatile const int *ps_interrupt_flag(void) {
    struct sigaction action;
    if (stop == NULL) stop = make_flag();
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    action.sa_flags = (int)SA_RESETHAND | SA_RESTART; /* the second signal finds the default action: death */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return stop;
}
