#include "data/crop_box.h"

#include <stdbool.h>

static bool is_zero(const float *pixel, int channels) {
    for (int c = 0; c < channels; c++)
        if (pixel[c] != 0) return false;
    return true;
}

ps_crop_box ps_crop_box_find(const float *pixel, ps_shape shape) {
    const int side[3] = {shape.d, shape.h, shape.w};
    int low[3] = {shape.d, shape.h, shape.w}, high[3] = {-1, -1, -1}, at[3];
    for (at[0] = 0; at[0] < side[0]; at[0]++) {
        for (at[1] = 0; at[1] < side[1]; at[1]++) {
            for (at[2] = 0; at[2] < side[2]; at[2]++, pixel += shape.c) {
                if (is_zero(pixel, shape.c)) continue;
                for (int i = 0; i < 3; i++) {
                    if (at[i] < low[i]) low[i] = at[i];
                    if (at[i] > high[i]) high[i] = at[i];
                }
            }
        }
    }
    ps_crop_box box;
    for (int i = 0; i < 3; i++) {
        bool any = high[i] >= 0;
        box.first[i] = any ? low[i] : 0;
        box.count[i] = any ? high[i] - low[i] + 1 : side[i];
    }
    return box;
}
