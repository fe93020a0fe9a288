/* What is looked at: a checkpoint, the directory of a run (its last checkpoint), or weights alone (a safetensors file
 * of any program) with the network named by options. */
#ifndef PS_RUN_SUBJECT_H
#define PS_RUN_SUBJECT_H

#include "run/session.h"

/* How commands that look at weights name theirs, and the run options (ps_command.run_options) that come with it: the
 * network, of weights alone, and the data to look with. */
#define PS_SUBJECT_USAGE "RUN|CHECKPOINT|WEIGHTS"
#define PS_SUBJECT_OPTIONS                                                                                          \
    "Network,Pool Skip,!pool_skip_zero_init,!pool_skip_cut,data,size,train_limit,test_limit,patch_size,fold,folds," \
    "split_file,skip_bad,cache_mb,mean,std,normalise,probe,batch"

/* Says on stderr what was met in a file of weights; nothing where there is nothing to say. */
void ps_subject_note(const char *path, const ps_weights_note *note);

/* Opens what `given` names with settings that go before its own. A checkpoint has its own network: options of networks
 * are refused beside it. Says on stderr what a reader of the results must know: a prefix of names that was left out,
 * missing running statistics, made-up images. Closed with ps_checkpoint_session_close. */
ps_status ps_subject_open(ps_checkpoint_session *session, const char *given, const ps_run_settings *settings,
                          int threads);

/* "at step 40", or "of weights alone", whose step nobody knows. */
enum { PS_MOMENT_TEXT = 40 };
const char *ps_subject_moment(const ps_checkpoint_session *session, char text[PS_MOMENT_TEXT]);

#endif
