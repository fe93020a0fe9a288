/* Monotonic time in nanoseconds. Clock values appear only in records of type `timing` and on the terminal. */
#ifndef PS_CORE_CLOCK_H
#define PS_CORE_CLOCK_H

#include <stdint.h>

uint64_t ps_clock_ns(void);

#endif
