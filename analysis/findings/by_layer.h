/* What rules ask of the layers' series: shares of the network's nodes, since when a layer is so, and layers in
 * words. */
#ifndef PS_ANALYSIS_FINDINGS_BY_LAYER_H
#define PS_ANALYSIS_FINDINGS_BY_LAYER_H

#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"

/* A running mean that closes this share of what it was off in a window follows: with a momentum of 0.1 ten steps close
 * 65 %; with one of 0.001 twenty close 2 %. */
#define PS_FINDINGS_FOLLOWS 0.5

/* Of the layers of which the fact is known, weighted by their nodes. */
typedef struct {
    double share;     /* ps_absent(): of no layer known */
    double largest;   /* of a single layer */
    int layer, known; /* that layer, -1: none; how many layers it is known of */
} ps_layers_share;

typedef enum { PS_AT_FIRST, PS_AT_LAST } ps_layers_when;

/* own: only layers that have their gate to themselves. Values that are not finite are not known. */
ps_layers_share ps_layers_share_of(const ps_facts *facts, ps_layer_fact fact, ps_layers_when when, bool own);

/* The first step of the unbroken stretch up to the end in which the series is at least `threshold`; -1: it is not at
 * its end. */
long long ps_layers_since(const ps_fact_series *series, double threshold);

/* Adds every layer whose last (first) value is at least `threshold`; *how many. */
int ps_layers_add(ps_finding *finding, const ps_facts *facts, ps_layer_fact fact, ps_layers_when when, double threshold,
                  bool own);

/* "conv1", "conv1 and conv2", "conv1, conv2 and 3 more": the finding's layers. Returns text. */
const char *ps_layers_words(const ps_finding *finding, const ps_facts *facts, char *text, size_t size);

/* The value of a layer's fact as evidence, "dead in conv1". */
void ps_layers_evidence(ps_finding *finding, const ps_facts *facts, int layer, ps_layer_fact fact, ps_layers_when when,
                        double threshold);

/* The largest value that a series had; ps_absent(): none. */
double ps_layers_peak(const ps_fact_series *series);

/* The network goes on to its output past the layer: something behind it is neither dead nor constant throughout. */
bool ps_layers_passed(const ps_facts *facts, int layer);

/* Why a layer came to be dead, likeliest first. since: -1, not known. */
void ps_layers_add_causes(ps_finding *finding, const ps_facts *facts, int layer, long long since);

#endif
