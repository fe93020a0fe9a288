/* Everything a comparison found, and its verdict.json (verdict.schema.json). */
#ifndef PS_ANALYSIS_VERDICT_H
#define PS_ANALYSIS_VERDICT_H

#include <stdio.h>

#include "analysis/contrast.h"
#include "analysis/predictions/predictions.h"
#include "analysis/sensitivity.h"

enum { PS_MOST_SENTENCES = 64 };

typedef struct {
    const char *measure, *title, *unit;
    ps_better better;
    const ps_arm *arm;
    ps_contrast contrast;
} ps_verdict_contrast;

typedef struct {
    const char *id, *statement;
    double cases, violations, worst; /* over all runs */
    char first[512];                 /* path:line of the first violation, "" for none */
} ps_verdict_check;

typedef struct {
    const ps_arms *arms; /* borrowed */
    char *traces_from;   /* the way from the verdict's directory to where relative paths of traces start */
    ps_verdict_contrast *contrasts;
    size_t contrast_count, contrast_capacity;
    ps_verdict_check *checks;
    size_t check_count, check_capacity;
    bool faulty;
    ps_questions questions;
    ps_prediction_result predictions[PS_MOST_PREDICTIONS]; /* of each question */
    ps_sensitivity *sensitivity;                           /* of each question */
    bool settled;                       /* the primary question is answered, or no later look can answer it */
    char *next;                         /* what to do next, as one sentence; NULL: nothing follows */
    char *sentences[PS_MOST_SENTENCES]; /* summary, the most important first */
    int sentence_count, answer_count;   /* the first of them are the answer */
} ps_verdict_document;

ps_status ps_verdict_add_sentence(ps_verdict_document *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ps_verdict_write(const ps_verdict_document *verdict, FILE *stream);
/* The summary on the terminal. */
ps_status ps_verdict_print(const ps_verdict_document *verdict, FILE *stream);
void ps_verdict_clear(ps_verdict_document *verdict);

#endif
