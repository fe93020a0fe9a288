/* The program's version, as traces, reports and `poolscope --version` say it. */
#ifndef PS_CORE_VERSION_H
#define PS_CORE_VERSION_H

#define PS_VERSION "0.1.0"

#endif
