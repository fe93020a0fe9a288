/* What every form of the report says: verdict, small tables, plots. Owned by the content; ps_report_content_clear frees
 * it.
 */
#ifndef PS_REPORTS_CONTENT_H
#define PS_REPORTS_CONTENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/status.h"
#include "reports/plots.h"
#include "core/table.h"

/* What networks made of some test samples (pictures.h). */
typedef struct {
    cJSON *document; /* of the first arm that has pictures; NULL: none has */
    int samples, arms;
    int *row;    /* [arms]: of runs.tsv, whose pictures are shown; -1: none */
    bool *there; /* [samples][arms] */
} ps_report_pictures;

typedef struct {
    const char *directory; /* borrowed */
    char *share, *tables;  /* folders */
    cJSON *verdict;        /* NULL where there is no verdict.json */
    ps_table meta, arms, runs, identity, comparison;
    ps_table layers;  /* layer_arm.tsv: which layer has which number in the plots; no rows where it was not written */
    ps_table classes; /* the last measures of each class on the test split; no rows where the task has none */
    ps_table findings, findings_open; /* what is wrong with each run, the worst first; what could not be judged */
    bool single;         /* one run alone: the page is about what is wrong with it, and has no predictions */
    ps_table unmeasured; /* what could not be measured on which run's checkpoint; no rows where all was */
    ps_plots plots;
    ps_report_pictures pictures; /* once the plots are there */
    const char *question;        /* what the report answers */
    const char *answer;          /* the verdict in one sentence; borrowed from verdict or a constant */
    char *numbers;               /* the main contrast in numbers, one sentence; NULL where there is none; owned */
} ps_report_content;

/* The section of the plots that want pairs: of one run alone it has no place. */
#define PS_REPORT_PAIRS "How sure is this?"

/* The set of files that a comparison is (core/file_set.h), and the file that says what belongs to it. */
#define PS_COMPARISON_SET "comparison"
#define PS_COMPARISON_MANIFEST PS_COMPARISON_SET ".manifest.tsv"

/* Whether the directory can hold a comparison at all; nothing is read. */
ps_status ps_report_content_find(const char *directory);
/* Whether the tables and the verdict there belong together: PS_ERR_INPUT where they do not. *known is false where
 * nothing says so (tables that another program wrote), which a note on stderr tells unless quiet. */
ps_status ps_report_content_check(const char *directory, bool quiet, bool *known);
ps_status ps_report_content_read(const char *directory, ps_report_content *content);
void ps_report_content_clear(ps_report_content *content);

/* Texts and numbers of verdict.json: absent or null is "" and NaN; "Infinity" is infinite. */
const char *ps_report_text(const cJSON *object, const char *key);
double ps_report_number(const cJSON *object, const char *key);
/* "shown", "shown not to hold", "undecided", "not judged", "not testable". */
const char *ps_report_verdict_word(const char *verdict);
/* The registered question at a place ("primary", "secondary 1"); NULL where verdict.json has none. */
const cJSON *ps_report_question(const ps_report_content *content, const char *place);
/* Of parts of a prediction, the one that it rests on. */
const cJSON *ps_report_deciding_part(const cJSON *prediction);
/* What became of an arm's runs, of "outcomes" in verdict.json; NULL: not told. */
const cJSON *ps_report_outcome(const ps_report_content *content, const char *arm);
/* Runs of it that did not learn, those that diverged among them. */
int ps_report_unlearned(const cJSON *outcome);
/* Row of findings.tsv: of a level that makes a run a poor one, or worse. */
bool ps_report_is_serious(const ps_report_content *content, int row);
/* How many sentences of the verdict's summary are its answer. */
int ps_report_answer_sentences(const ps_report_content *content);
/* Value of a key of meta.tsv, "" where there is none. */
const char *ps_report_meta(const ps_report_content *content, const char *key);
/* The paired seeds for people: "1, 2, 5", "11 to 20"; what is no list of whole numbers stays as it is, cut at the
 * size. */
void ps_report_write_seeds(const char *list, char *text, size_t size);
/* Value of a key of identity.tsv of the reference arm, "" where there is none. */
const char *ps_report_identity(const ps_report_content *content, const char *key);
/* No node of the arm can be exactly dead (arms.tsv, column death): a dead share of 0 would say nothing. */
bool ps_report_never_dies(const ps_report_content *content, const char *arm);
/* Mean of a column of runs.tsv over all runs with a finite value, NaN where none has. */
double ps_report_runs_mean(const ps_report_content *content, const char *column);
/* The same over the runs of one arm. */
double ps_report_arm_mean(const ps_report_content *content, const char *arm, const char *column);
/* Runs of the arm in a row of arms.tsv. */
int ps_report_arm_runs(const ps_report_content *content, int row);
/* True where values of this unit are shares, shown in per cent. */
int ps_report_is_share(const char *unit);
/* The column of runs.tsv with the first measure of the task on the test split ("test_mean_iou"), its title ("Test
 * mean iou", into `text`), and whether it is a share. */
const char *ps_report_measure(const ps_report_content *content);
const char *ps_report_measure_title(const ps_report_content *content, char *text, size_t size);
int ps_report_measure_is_share(const ps_report_content *content);

/* Which runs were left out of what a plot shows, since they could not be measured, and why: a sentence, NULL where
 * there is none. *row: where to begin to look, 0 at first; moves on. Free with free(). */
ps_status ps_report_next_lack(const ps_report_content *content, const char *plot, int *row, char **sentence);

/* The forms. Each writes one file of the report; html reads nodes.tsv as well. */
ps_status ps_report_write_html(const ps_report_content *content, const char *path);
ps_status ps_report_write_markdown(const ps_report_content *content, const char *path);
ps_status ps_report_write_json(const ps_report_content *content, const char *path);

#endif
