/* The command of a measurement (measure/measurement_list.def): what all of them share. */
#ifndef PS_CLI_MEASURE_COMMAND_H
#define PS_CLI_MEASURE_COMMAND_H

#include "cli/command_line.h"
#include "measure/measurement.h"
#include "run/subject.h"

/* --out, --threads, --quiet. */
extern const ps_option ps_measure_common_options[];
ps_status ps_measure_command(const ps_command *command, const ps_measurement *what, int argc, char **argv);

#endif
