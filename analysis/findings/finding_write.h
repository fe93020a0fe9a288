/* Findings for people and for programs. Texts of traces are in them: what a terminal would obey is taken out of what
 * is printed as text. */
#ifndef PS_ANALYSIS_FINDINGS_FINDING_WRITE_H
#define PS_ANALYSIS_FINDINGS_FINDING_WRITE_H

#include <stdio.h>

#include "analysis/findings/finding.h"

/* "false alarm in 1 of 64 clean runs; found in 26 of 27 with the fault, ..." or "not measured". Returns text. */
enum { PS_FINDING_RATE_TEXT = 240 };
const char *ps_finding_rate_say(const ps_finding_rule *rule, char text[PS_FINDING_RATE_TEXT]);
/* "stage2.0.conv, stage2.1.conv and 3 more"; "" of the whole network. Returns text. */
const char *ps_finding_where(const ps_facts *facts, const ps_finding *finding, int most, char *text, size_t size);
/* "step 40", "the start", "" where it is not known. Returns text. */
const char *ps_finding_since(const ps_finding *finding, char text[40]);
/* "1 critical, 2 warnings", "none". Returns text. */
const char *ps_findings_count_say(const ps_findings *findings, char *text, size_t size);

/* Every finding with all that it has, and the rules that could not judge. */
ps_status ps_findings_write_text(FILE *stream, const ps_facts *facts, const ps_findings *findings);
/* The members "target" to "cannot_be_judged" of an object (finding.schema.json), without its braces. */
void ps_findings_write_json(FILE *stream, const ps_facts *facts, const ps_findings *findings);
/* SARIF 2.1.0; a rule that cannot judge is a result of kind "open". */
void ps_findings_write_sarif(FILE *stream, const ps_facts *facts, const ps_findings *findings);
/* Every rule: what it looks for, what it needs, where its threshold comes from, how often it errs. */
void ps_finding_rules_print(FILE *stream);

/* One finding of a run, with the rows of its trace that it rests on. PS_ERR_USAGE where the run has no such finding:
 * whether it was judged. */
ps_status ps_finding_explain(const char *run, const char *id, FILE *stream);

#endif
