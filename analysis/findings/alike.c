#include "analysis/findings/alike.h"

#include <math.h>
#include <stdbool.h>

#include "analysis/json_scan.h"

double ps_findings_alike(int nodes, const double *weight_l2, const double *weight_l1, const double *mean,
                         const double *rms) {
    int known = 0, alike = 0;
    for (int a = 0; a < nodes; a++) {
        bool twin = false;
        known += !isnan(rms[a]) && !isnan(weight_l2[a]);
        if (!(rms[a] > 0) || !(weight_l2[a] > 0)) continue;
        for (int b = 0; b < nodes && !twin; b++)
            twin = a != b && weight_l2[a] == weight_l2[b] && weight_l1[a] == weight_l1[b] && mean[a] == mean[b] &&
                   rms[a] == rms[b];
        alike += twin;
    }
    return known > 0 ? (double)alike / known : ps_absent();
}
