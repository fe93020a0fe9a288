/* What a run was, for the reader of a report: its header's producer, config, data, machine and model, flattened. */
#ifndef PS_ANALYSIS_IDENTITY_H
#define PS_ANALYSIS_IDENTITY_H

#include "analysis/run.h"
#include "analysis/tables.h"

/* Appends identity.tsv's rows of one run: a row for every single value, keys joined by dots, lists by commas. */
void ps_identity_write(ps_tables *tables, const ps_run *run);
/* The row of its processor class alone, where its header says one. */
void ps_identity_write_class(ps_tables *tables, const ps_run *run);

#endif
