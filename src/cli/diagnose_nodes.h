/* The list of nodes that `diagnose` prints behind the findings: what is wrong with each, and why. */
#ifndef PS_CLI_DIAGNOSE_NODES_H
#define PS_CLI_DIAGNOSE_NODES_H

#include "measure/diagnose.h"
#include "run/session.h"

void ps_nodes_print_tsv(const ps_diagnosis *d);
/* At most `most` rows (below 0: all), and how many nodes are what. */
void ps_nodes_print_table(ps_net *net, const ps_diagnosis *d, int images, int most);
/* One JSON object; free with cJSON_free. */
ps_status ps_nodes_json(const ps_checkpoint_session *s, const ps_diagnosis *d, int images, char **text);
/* PS_ERR_CHECK, and so exit status 1, where a number is not finite. */
ps_status ps_nodes_judge(ps_net *net, const ps_diagnosis *d, const char *path);

#endif
