/* VGG16 (Simonyan & Zisserman 2015, arXiv 1409.1556) as the authors of Pool Skip train it on CIFAR: convolutions with
 * bias and batch norm, then three linear layers of 4096, 4096 and the classes. Names: features.N and classifier.N. */
#include "models/builder.h"
#include "models/family.h"

enum { MOST_STAGES = 7 };
static const char *const stage_names[] = {"block1", "block2", "block3", "block4", "block5", "block6", "block7"};

static ps_status add_features(ps_builder *b, const int *stages, int count) {
    ps_sequence features = {.prefix = "features"};
    for (b->stage = 0; b->stage < count; b->stage++) {
        int channels = 64 << (b->stage < 3 ? b->stage : 3);
        for (int i = 0; i < stages[b->stage]; i++) {
            ps_builder_conv_spec spec = {
                .channels = ps_builder_width(b, channels), .kernel = 3, .stride = 1, .bias = true};
            PS_TRY(ps_sequence_conv(b, &features, &spec));
            if (b->options->batch_norm) PS_TRY(ps_sequence_norm(b, &features));
            PS_TRY(ps_sequence_gate(b, &features));
        }
        /* On an input below 32 x 32 the last maps are one pixel wide already: nothing is left to pool. */
        ps_shape shape = ps_builder_shape(b);
        if (shape.h >= 2 && shape.w >= 2)
            PS_TRY(ps_sequence_add(b, &features, "max_pool", "{\"kernel\": 2, \"stride\": 2}"));
    }
    return PS_OK;
}

static ps_status add_classifier(ps_builder *b) {
    int hidden = ps_builder_width(b, 4096);
    b->stage = b->stage_count;
    PS_TRY(ps_builder_add(b, "flatten", "flatten", NULL, -1, "{}"));
    PS_TRY(ps_builder_linear(b, hidden, "classifier.0"));
    PS_TRY(ps_builder_gate(b, "classifier.1", NULL));
    PS_TRY(ps_builder_dropout(b, 0.5, "classifier.2"));
    PS_TRY(ps_builder_linear(b, hidden, "classifier.3"));
    PS_TRY(ps_builder_gate(b, "classifier.4", NULL));
    PS_TRY(ps_builder_dropout(b, 0.5, "classifier.5"));
    return ps_builder_linear(b, b->options->classes, "classifier.6");
}

static ps_status build_vgg16(const ps_model_options *options, ps_graph **out) {
    static const int own[] = {2, 2, 3, 3, 3};
    const int *stages;
    int count;
    ps_builder b;
    *out = NULL;
    PS_TRY(ps_builder_stages("vgg16", options, own, 5, MOST_STAGES, &stages, &count));
    ps_status status = ps_builder_begin(&b, "vgg16", options, stage_names, count, "classifier");
    if (status == PS_OK) status = add_features(&b, stages, count);
    if (status == PS_OK) status = add_classifier(&b);
    if (status == PS_OK) status = ps_builder_finish(&b, out);
    ps_builder_discard(&b);
    return status;
}

extern const ps_model ps_models_vgg[];
const ps_model ps_models_vgg[] = {
    {"vgg16", "13 3x3 convolutions with max-pooling between the stages [2,2,3,3,3], three linear layers", build_vgg16,
     PS_FAMILY_DEFAULTS},
    {0}};
