#include "data/crop_box.h"

#include <stdbool.h>

void ps_crop_begin(ps_crop_search *search, ps_shape shape) {
    *search = (ps_crop_search){{shape.d, shape.h, shape.w}, {shape.d, shape.h, shape.w}, {-1, -1, -1}};
}

static void take(ps_crop_search *search, int64_t position) {
    const int64_t w = search->side[2], h = search->side[1];
    const int at[3] = {(int)(position / (w * h)), (int)(position / w % h), (int)(position % w)};
    for (int i = 0; i < 3; i++) {
        if (at[i] < search->low[i]) search->low[i] = at[i];
        if (at[i] > search->high[i]) search->high[i] = at[i];
    }
}

/* A row runs along one axis, so that its ends say all. */
void ps_crop_add(ps_crop_search *search, int64_t first, int64_t step, const float *value, int count) {
    int low = 0, high = count - 1;
    while (low < count && value[low] == 0) low++;
    if (low == count) return;
    while (value[high] == 0) high--;
    take(search, first + low * step);
    take(search, first + high * step);
}

ps_crop_box ps_crop_end(const ps_crop_search *search) {
    ps_crop_box box;
    for (int i = 0; i < 3; i++) {
        bool any = search->high[i] >= 0;
        box.first[i] = any ? search->low[i] : 0;
        box.count[i] = any ? search->high[i] - search->low[i] + 1 : search->side[i];
    }
    return box;
}
