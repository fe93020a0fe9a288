#include "cli/interrupt.h"

#include <signal.h>
#include <string.h>

static volatile int stop;

static void handle(int number) {
    (void)number;
    stop = 1;
}

volatile const int *ps_interrupt_flag(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    action.sa_flags = (int)SA_RESETHAND | SA_RESTART; /* the second signal finds the default action: death */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &stop;
}
