/* Ctrl-C: the first asks the work to stop at the next good place, a second one kills. The flag is shared with child
 * processes. */
#ifndef PS_CLI_INTERRUPT_H
#define PS_CLI_INTERRUPT_H

/* Installs the handler (SIGINT and SIGTERM) and returns the flag it sets. */
volatile const int *ps_interrupt_flag(void);

#endif
