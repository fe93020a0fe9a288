/* Planting: every cause does what it says, and nothing else dies; near misses are active on exactly one image; texts
 * are checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/rng.h"
#include "net/net.h"
#include "probe/plant.h"
#include "probe/probe.h"

enum { BATCH = 16, BATCHES = 4, IMAGES = BATCH * BATCHES - 3, MOST = 16, VALUE = -1000 };

static const char plain[] =
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"plain\",\"input\":[3,6,6],\"nodes\":["
    "{\"name\":\"conv1\",\"type\":\"conv\",\"channels\":8,\"padding\":1},{\"name\":\"relu1\",\"type\":\"relu\"},"
    "{\"name\":\"conv2\",\"type\":\"conv\",\"channels\":8,\"padding\":1,\"groups\":2},{\"name\":\"relu2\",\"type\":"
    "\"relu\"},"
    "{\"name\":\"pool\",\"type\":\"max_pool\",\"kernel\":2},{\"name\":\"flat\",\"type\":\"flatten\"},"
    "{\"name\":\"fc1\",\"type\":\"linear\",\"features\":10},{\"name\":\"relu3\",\"type\":\"relu\"},"
    "{\"name\":\"fc2\",\"type\":\"linear\",\"features\":3}]}";

static const char normed[] =
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"normed\",\"input\":[3,6,6],\"nodes\":["
    "{\"name\":\"conv0\",\"type\":\"conv\",\"channels\":8,\"padding\":1},{\"name\":\"bn0\",\"type\":\"batch_norm\"},"
    "{\"name\":\"relu0\",\"type\":\"relu\"},"
    "{\"name\":\"conv1\",\"type\":\"conv\",\"channels\":8,\"padding\":1},{\"name\":\"bn1\",\"type\":\"batch_norm\"},"
    "{\"name\":\"relu1\",\"type\":\"relu\"},"
    "{\"name\":\"conv2\",\"type\":\"conv\",\"channels\":8,\"padding\":1},{\"name\":\"bn2\",\"type\":\"batch_norm\"},"
    "{\"name\":\"relu2\",\"type\":\"relu\"},"
    "{\"name\":\"conv3\",\"type\":\"conv\",\"channels\":8,\"padding\":1},{\"name\":\"bn3\",\"type\":\"batch_norm\"},"
    "{\"name\":\"add\",\"type\":\"add\",\"inputs\":[\"bn3\",\"relu0\"]},{\"name\":\"relu3\",\"type\":\"relu\"},"
    "{\"name\":\"gap\",\"type\":\"global_avg_pool\"},{\"name\":\"fc\",\"type\":\"linear\",\"features\":3}]}";

typedef struct {
    ps_graph *graph;
    ps_net *net;
    const ps_units *units;
    ps_planting_list list;
    double nonzero[8][MOST], active[8][MOST]; /* [unit][channel] after planting */
} bed;

static ps_status probe_batch(void *self, int index, float *x, int *images) {
    const bed *b = self;
    ps_rng_key key = ps_rng_key_fold(ps_rng_key_of(11, "image"), (uint64_t)index);
    for (size_t i = 0; i < BATCH * ps_shape_elements(b->graph->input); i++) x[i] = ps_rng_normal(key, i);
    *images = index == BATCHES - 1 ? BATCH - 3 : BATCH;
    return PS_OK;
}

static void make(bed *b, const char *graph, uint64_t seed) {
    cJSON *document;
    memset(b, 0, sizeof *b);
    assert_int_equal(ps_json_parse(graph, "test", &document), PS_OK);
    if (ps_graph_parse(document, "test", &b->graph) != PS_OK) fail_msg("%s", ps_status_message());
    cJSON_Delete(document);
    assert_int_equal(ps_net_create(b->graph, BATCH, NULL, &b->net), PS_OK);
    assert_int_equal(ps_net_init(b->net, "torch", seed), PS_OK);
    b->units = ps_net_units(b->net);
    /* Away from the neutral start, so that signs matter. */
    for (int i = 0; i < ps_net_param_count(b->net); i++) {
        ps_param *p = ps_net_param(b->net, i);
        if (!p->learned || p->spec.rank != 1) continue;
        for (size_t k = 0; k < p->count; k++) p->value[k] += 0.2f * ps_rng_normal(ps_rng_key_of(seed, p->name), k);
    }
}

static void done(bed *b) {
    ps_planting_list_clear(&b->list);
    ps_net_destroy(b->net);
    ps_graph_destroy(b->graph);
}

static void plant(bed *b, const char *text) {
    ps_probe_source source = {.self = b, .batches = BATCHES, .batch = probe_batch};
    if (ps_plant(b->net, text, &source, &b->list) != PS_OK) fail_msg("%s", ps_status_message());
}

static void look(bed *b) {
    ps_probe *probe;
    ps_probe_options options = {
        .record = "nonzero,images_active", .steps = 1, .window = 1, .source = {b, BATCHES, probe_batch}};
    assert_int_equal(ps_probe_create(b->net, NULL, &options, &probe), PS_OK);
    assert_int_equal(ps_probe_measure(probe), PS_OK);
    for (int i = 0; i < b->units->count; i++) {
        assert_true(ps_probe_read(probe, "nonzero", i, b->nonzero[i]));
        assert_true(ps_probe_read(probe, "images_active", i, b->active[i]));
    }
    ps_probe_destroy(probe);
}

/* The cause a node was planted with, or NULL. */
static const char *cause_of(const bed *b, int unit, int channel) {
    const char *cause = NULL;
    for (int i = 0; i < b->list.count; i++) {
        const ps_planting *p = &b->list.planting[i];
        if (strcmp(p->layer, b->units->unit[unit].name) != 0) continue;
        for (int k = 0; k < p->channels; k++)
            if (p->channel[k] == channel) {
                assert_null(cause); /* planted once */
                cause = p->cause;
            }
    }
    return cause;
}

static int planted(const bed *b, const char *cause) {
    int count = 0;
    for (int i = 0; i < b->list.count; i++)
        if (cause == NULL || strcmp(b->list.planting[i].cause, cause) == 0) count += b->list.planting[i].channels;
    return count;
}

static float *value(bed *b, const char *name) {
    int index = ps_net_find_param(b->net, name);
    assert_true(index >= 0);
    return ps_net_param(b->net, index)->value;
}

/* Planted nodes are dead unless their cause leaves them alive; all others that were alive before still can be. */
static void check_deaths(bed *b) {
    look(b);
    for (int i = 0; i < b->units->count; i++)
        for (int c = 0; c < b->units->unit[i].channels; c++) {
            const char *cause = cause_of(b, i, c);
            bool kills = cause != NULL && strcmp(cause, "weights-out") != 0 && strcmp(cause, "near-miss") != 0;
            if (kills && b->nonzero[i][c] != 0) fail_msg("%s:%d (%s) is active", b->units->unit[i].name, c, cause);
            if (cause != NULL && strcmp(cause, "near-miss") == 0 && b->active[i][c] != 1)
                fail_msg("%s:%d is active on %g images", b->units->unit[i].name, c, b->active[i][c]);
        }
}

static void bias_shuts_the_gate(void **state) {
    (void)state;
    bed b;
    make(&b, plain, 1);
    plant(&b, "share=0.25,cause=bias,value=-1000");
    assert_int_equal(planted(&b, "bias"), 2 + 2 + 3); /* a quarter of 10 is rounded up */
    check_deaths(&b);
    for (int i = 0; i < b.list.count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.bias", b.list.planting[i].layer);
        for (int k = 0; k < b.list.planting[i].channels; k++)
            assert_true(value(&b, name)[b.list.planting[i].channel[k]] == VALUE);
    }
    done(&b);
    make(&b, normed, 1);
    plant(&b, "count=3,cause=bias,layers=conv1");
    assert_int_equal(planted(&b, NULL), 3);
    for (int k = 0; k < 3; k++)
        assert_true(value(&b, "bn1.bias")[b.list.planting[0].channel[k]] == -4); /* beta, by default -4 */
    done(&b);
}

static void zero_incoming_weights(void **state) {
    (void)state;
    const char *const graphs[] = {plain, normed};
    for (int g = 0; g < 2; g++) {
        bed b;
        make(&b, graphs[g], 2);
        plant(&b, "share=0.5,cause=weights-in,seed=3");
        check_deaths(&b);
        for (int i = 0; i < b.list.count; i++) {
            const ps_planting *p = &b.list.planting[i];
            char name[32];
            snprintf(name, sizeof name, "%s.weight", p->layer);
            const ps_param *w = ps_net_param(b.net, ps_net_find_param(b.net, name));
            for (int k = 0; k < p->channels; k++)
                for (size_t j = 0; j < w->row_length; j++)
                    assert_true(w->value[(size_t)p->channel[k] * w->row_length + j] == 0);
        }
        done(&b);
    }
}

static void zero_outgoing_weights(void **state) {
    (void)state;
    const char *const graphs[] = {plain, normed};
    for (int g = 0; g < 2; g++) {
        bed b;
        double out[MOST];
        make(&b, graphs[g], 3);
        plant(&b, "share=0.4,cause=weights-out");
        ps_probe *probe;
        ps_probe_options options = {.record = "out_l2", .steps = 1, .window = 1, .source = {&b, BATCHES, probe_batch}};
        assert_int_equal(ps_probe_create(b.net, NULL, &options, &probe), PS_OK);
        assert_int_equal(ps_probe_measure(probe), PS_OK);
        for (int i = 0; i < b.units->count; i++) {
            bool read = ps_probe_read(probe, "out_l2", i, out);
            for (int c = 0; c < b.units->unit[i].channels; c++) {
                if (!read) assert_null(cause_of(&b, i, c)); /* an identity path would go on reading it */
                else assert_int_equal(out[c] == 0, cause_of(&b, i, c) != NULL);
            }
        }
        ps_probe_destroy(probe);
        assert_true(planted(&b, "weights-out") >= 6);
        done(&b);
    }
}

static void gamma_zero(void **state) {
    (void)state;
    bed b;
    make(&b, normed, 4);
    plant(&b, "share=0.3,cause=gamma");
    check_deaths(&b);
    for (int i = 0; i < b.list.count; i++) {
        char name[32] = "bn0.weight";
        name[2] = b.list.planting[i].layer[4];
        for (int k = 0; k < b.list.planting[i].channels; k++)
            assert_true(value(&b, name)[b.list.planting[i].channel[k]] == 0);
    }
    assert_int_equal(planted(&b, "gamma"), 6); /* conv3 has no gate of its own */
    done(&b);
}

static void upstream_cuts_a_layer_off(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) {
        bed b;
        char text[64];
        make(&b, normed, seed);
        snprintf(text, sizeof text, "cause=upstream,value=-1000,seed=%d", (int)seed);
        plant(&b, text);
        check_deaths(&b);
        int upstream = planted(&b, "upstream"), feeding = planted(&b, "bias");
        assert_int_equal(feeding, 8);
        assert_true(upstream == 8 || upstream == 16); /* conv2 after conv1, or both after conv0 */
        done(&b);
    }
    bed b;
    make(&b, plain, 1);
    plant(&b, "cause=upstream,value=-1000,layers=conv2"); /* without shortcuts all that follows is cut off, too */
    check_deaths(&b);
    assert_int_equal(planted(&b, "bias"), 8);
    assert_int_equal(planted(&b, "upstream"), 18);
    done(&b);
}

static void near_misses_are_active_on_one_image(void **state) {
    (void)state;
    const char *const graphs[] = {plain, normed};
    for (int g = 0; g < 2; g++)
        for (uint64_t seed = 0; seed < 4; seed++) {
            bed b;
            char text[96];
            make(&b, graphs[g], seed);
            snprintf(text, sizeof text, "share=0.3,cause=near-miss,seed=%d;share=0.2,cause=bias,value=-1000",
                     (int)seed);
            plant(&b, text);
            assert_true(planted(&b, "near-miss") >= 6);
            check_deaths(&b);
            done(&b);
        }
}

static void mixed_causes_are_dealt_out(void **state) {
    (void)state;
    bed b;
    make(&b, normed, 9);
    plant(&b, "count=4,cause=bias+gamma+weights-in+near-miss,value=-1000,layers=conv[012]");
    assert_int_equal(planted(&b, "bias"), 3);
    assert_int_equal(planted(&b, "gamma"), 3);
    assert_int_equal(planted(&b, "weights-in"), 3);
    assert_int_equal(planted(&b, "near-miss"), 3);
    check_deaths(&b);
    done(&b);
}

/* Incoming weights and bias of a node; returns their number. */
static int row_of(bed *b, const char *layer, int c, double *row) {
    char name[32];
    snprintf(name, sizeof name, "%s.weight", layer);
    const ps_param *w = ps_net_param(b->net, ps_net_find_param(b->net, name));
    int length = (int)w->row_length;
    for (int i = 0; i < length; i++) row[i] = (double)w->value[(size_t)(c * length + i)];
    snprintf(name, sizeof name, "%s.bias", layer);
    row[length] = (double)value(b, name)[c];
    return length + 1;
}

static double inner(const double *a, const double *b, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

/* What is left of a row when the partners' part is taken from it, by Gram-Schmidt, over its length. */
static double left_of(bed *b, const ps_planting *p, int i) {
    double row[512], basis[3][512];
    int count = row_of(b, p->layer, p->channel[i], row);
    double length = sqrt(inner(row, row, count));
    for (int k = 0; k < p->partners; k++) {
        row_of(b, p->layer, p->partner[i * p->partners + k], basis[k]);
        for (int j = 0; j < k; j++) {
            double part = inner(basis[k], basis[j], count);
            for (int n = 0; n < count; n++) basis[k][n] -= part * basis[j][n];
        }
        double size = sqrt(inner(basis[k], basis[k], count)), part = 0;
        for (int n = 0; n < count; n++) basis[k][n] /= size;
        part = inner(row, basis[k], count);
        for (int n = 0; n < count; n++) row[n] -= part * basis[k][n];
    }
    return sqrt(inner(row, row, count)) / length;
}

/* The length stays; what the partners leave of the row is the noise's share; partners are as they were. */
static void check_made(bed *b, bed *fresh, const ps_planting *p, double share) {
    double row[512], before[512];
    for (int i = 0; i < p->channels; i++) {
        int count = row_of(b, p->layer, p->channel[i], row);
        row_of(fresh, p->layer, p->channel[i], before);
        assert_true(fabs(inner(row, row, count) / inner(before, before, count) - 1) < 1e-5);
        double left = left_of(b, p, i);
        if (p->partners == 1) assert_true(fabs(left - share) < 1e-6);
        else
            assert_true(left <= share + 1e-6 &&
                        left >= 0.5 * share); /* noise is at right angles to the combination, not to each partner */
        for (int k = 0; k < p->partners; k++) {
            int partner = p->partner[i * p->partners + k];
            assert_null(cause_of(b, ps_units_find(b->units, p->layer), partner));
            row_of(b, p->layer, partner, row);
            row_of(fresh, p->layer, partner, before);
            assert_memory_equal(row, before, (size_t)count * sizeof *row);
        }
    }
}

static void nodes_are_made_of_others(void **state) {
    static const double noises[] = {0, 0.01, 0.5};
    (void)state;
    for (int n = 0; n < 3; n++)
        for (int dependent = 0; dependent < 2; dependent++) {
            bed b, fresh;
            char text[96];
            make(&b, plain, 1);
            make(&fresh, plain, 1);
            snprintf(text, sizeof text, "count=2,cause=%s,noise=%g,layers=conv[12]",
                     dependent ? "dependent" : "overlap", noises[n]);
            plant(&b, text);
            assert_int_equal(planted(&b, NULL), 4);
            for (int i = 0; i < b.list.count; i++) {
                assert_int_equal(b.list.planting[i].partners, dependent ? 3 : 1);
                check_made(&b, &fresh, &b.list.planting[i], noises[n] / sqrt(1 + noises[n] * noises[n]));
            }
            done(&b);
            done(&fresh);
        }
}

static void choice_depends_on_seed_and_layer_name_alone(void **state) {
    (void)state;
    bed a, b, c;
    make(&a, plain, 1);
    make(&b, plain, 2);
    make(&c, plain, 1);
    plant(&a, "share=0.4,seed=5");
    plant(&b, "share=0.4,seed=5,layers=conv2");
    plant(&c, "share=0.4,seed=6,layers=conv2");
    const ps_planting *of_a = &a.list.planting[1];
    assert_string_equal(of_a->layer, "conv2");
    assert_int_equal(of_a->channels, 3);
    assert_memory_equal(of_a->channel, b.list.planting[0].channel, 3 * sizeof(int));
    assert_memory_not_equal(of_a->channel, c.list.planting[0].channel, 3 * sizeof(int));
    done(&a);
    done(&b);
    done(&c);
}

static void wrong_texts_are_one_sentence(void **state) {
    (void)state;
    static const struct {
        const char *text, *needle;
    } cases[] = {{"share=2", "share"},
                 {"share=", "share"},
                 {"share=0.1x", "share"},
                 {"cause=rust", "rust"},
                 {"causes=bias", "causes"},
                 {"layers=conv9", "conv9"},
                 {"count=1.5", "count"},
                 {"share", "key=value"},
                 {"cause=gamma", "gamma"},
                 {"count=0", "no node"},
                 {"cause=bias+", "cause"},
                 {"share=nan", "share"},
                 {"count=-1", "count"},
                 {"cause=upstream,layers=conv1", "conv1"},
                 {"cause=overlap,count=5,layers=conv1", "too few"},
                 {"noise=-1", "noise"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bed b;
        make(&b, plain, 1);
        ps_status_reset();
        assert_int_equal(ps_plant(b.net, cases[i].text, NULL, &b.list), PS_ERR_USAGE);
        assert_non_null(strstr(ps_status_message(), cases[i].needle));
        assert_int_equal(b.list.count, 0);
        done(&b);
    }
    bed b;
    make(&b, plain, 1);
    assert_int_equal(ps_plant(b.net, "cause=near-miss", NULL, &b.list), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "probe"));
    done(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bias_shuts_the_gate),
        cmocka_unit_test(zero_incoming_weights),
        cmocka_unit_test(zero_outgoing_weights),
        cmocka_unit_test(gamma_zero),
        cmocka_unit_test(upstream_cuts_a_layer_off),
        cmocka_unit_test(near_misses_are_active_on_one_image),
        cmocka_unit_test(mixed_causes_are_dealt_out),
        cmocka_unit_test(nodes_are_made_of_others),
        cmocka_unit_test(choice_depends_on_seed_and_layer_name_alone),
        cmocka_unit_test(wrong_texts_are_one_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
