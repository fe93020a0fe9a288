/* The answer that a comparison begins with: the registered questions in the words that their bounds allow, collapses,
 * whether the runs learned, and the next step. */
#ifndef PS_ANALYSIS_ANSWER_H
#define PS_ANALYSIS_ANSWER_H

#include "analysis/verdict.h"

/* Appends its sentences to the verdict, and sets verdict->next. */
ps_status ps_answer_say(ps_verdict_document *verdict);

#endif
