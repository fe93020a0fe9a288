/* Shared by the parts of planting: what is shut by writing weights, nodes made of others, and near misses, which need a
 * look at the probe set. */
#ifndef PS_PROBE_PLANT_INTERNAL_H
#define PS_PROBE_PLANT_INTERNAL_H

#include "probe/plant.h"

/* The parameter that shifts what enters the gate, channel by channel and by itself; -1 where there is none. */
int ps_plant_shift_param(const ps_net *net, const ps_unit *unit);

/* Shifts the chosen channels of a unit until only the most active image of the probe set is active. */
ps_status ps_plant_near_miss(ps_net *net, const ps_unit *unit, const ps_probe_source *source, const int *channel,
                             int channels);

enum { PS_PLANT_MOST_PARTNERS = 3 };
/* Writes the incoming weights and biases of the planting's channels from those of their partners. */
ps_status ps_plant_combine(ps_net *net, const ps_unit *unit, const ps_planting *planting);

#endif
