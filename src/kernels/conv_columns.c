#include "kernels/conv_columns.h"

#include <stdint.h>
#include <string.h>

#include "kernels/conv_method.h"

static bool reads_x_directly(const ps_conv_shape *s) {
    return ps_conv_taps(s) == 1 && s->stride_d == 1 && s->stride_h == 1 && s->stride_w == 1 && s->pad_d == 0 &&
           s->pad_h == 0 && s->pad_w == 0;
}

ps_columns ps_columns_of(const ps_conv_shape *s) {
    ps_columns c = {.s = s, .od = ps_conv_out_d(s), .oh = ps_conv_out_h(s), .ow = ps_conv_out_w(s)};
    c.cg = s->c / s->groups;
    c.kg = s->k / s->groups;
    c.row = ps_conv_taps(s) * (size_t)c.cg;
    c.positions = ps_conv_out_positions(s);
    c.direct = reads_x_directly(s);
    return c;
}

static bool inside(int i, int size) { return i >= 0 && i < size; }

typedef struct {
    int n, d, h, w;
} position;

static position position_at(const ps_columns *c, size_t index) {
    position p;
    p.w = (int)(index % (size_t)c->ow), index /= (size_t)c->ow;
    p.h = (int)(index % (size_t)c->oh), index /= (size_t)c->oh;
    p.d = (int)(index % (size_t)c->od);
    p.n = (int)(index / (size_t)c->od);
    return p;
}

/* For every tap of one output position: the offset of its first channel in x, or SIZE_MAX in the padding. */
static void tap_offsets(const ps_columns *c, position p, int group, size_t *offset) {
    const ps_conv_shape *s = c->s;
    for (int td = 0; td < s->kd; td++) {
        int d = p.d * s->stride_d - s->pad_d + td * s->dilation_d;
        for (int th = 0; th < s->kh; th++) {
            int h = p.h * s->stride_h - s->pad_h + th * s->dilation_h;
            size_t line = (((size_t)p.n * (size_t)s->d + (size_t)d) * (size_t)s->h + (size_t)h) * (size_t)s->w;
            bool in = inside(d, s->d) && inside(h, s->h);
            for (int tw = 0; tw < s->kw; tw++) {
                int w = p.w * s->stride_w - s->pad_w + tw * s->dilation_w;
                *offset++ = in && inside(w, s->w) ? (line + (size_t)w) * (size_t)s->c + (size_t)group * (size_t)c->cg
                                                  : SIZE_MAX;
            }
        }
    }
}

static void copy_position(const ps_columns *c, const float *x, position p, int group, float *row) {
    size_t offset[PS_COLUMNS_TAPS], taps = ps_conv_taps(c->s), cg = (size_t)c->cg;
    tap_offsets(c, p, group, offset);
    for (size_t tap = 0; tap < taps; tap++, row += cg) {
        if (offset[tap] == SIZE_MAX) {
            memset(row, 0, cg * sizeof *row);
            continue;
        }
        const float *from = x + offset[tap];
        if (cg < 16)
            for (size_t i = 0; i < cg; i++) row[i] = from[i];
        else memcpy(row, from, cg * sizeof *row);
    }
}

static void add_position(const ps_columns *c, const float *row, position p, int group, float *dx) {
    size_t offset[PS_COLUMNS_TAPS], taps = ps_conv_taps(c->s), cg = (size_t)c->cg;
    tap_offsets(c, p, group, offset);
    for (size_t tap = 0; tap < taps; tap++, row += cg) {
        if (offset[tap] == SIZE_MAX) continue;
        float *to = dx + offset[tap];
        for (size_t i = 0; i < cg; i++) to[i] += row[i];
    }
}

void ps_columns_copy(const ps_columns *c, const float *x, size_t first, size_t count, int group, float *rows) {
    for (size_t i = 0; i < count; i++) copy_position(c, x, position_at(c, first + i), group, rows + i * c->row);
}

void ps_columns_add(const ps_columns *c, const float *rows, size_t first, size_t count, int group, float *dx) {
    for (size_t i = 0; i < count; i++) add_position(c, rows + i * c->row, position_at(c, first + i), group, dx);
}
