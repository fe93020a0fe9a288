#include "task/task.h"

#include <math.h>
#include <stdio.h>

#include "core/memory.h"

static const ps_task *const tasks[] = {
#define PS_TASK(name) &ps_task_##name,
#include "task/task_list.def"
#undef PS_TASK
};
enum { TASKS = sizeof tasks / sizeof *tasks };

ps_status ps_task_of(const ps_dataset *dataset, const ps_task **out) {
    char known[256] = "";
    size_t used = 0;
    for (int i = 0; i < TASKS; i++) {
        *out = tasks[i];
        if (tasks[i]->takes(dataset)) return PS_OK;
        if (used < sizeof known)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", tasks[i]->name);
    }
    *out = NULL;
    return ps_fail(PS_ERR_INPUT, "data \"%s\": no task takes labels such as these; known are %s; use other data",
                   ps_dataset_source(dataset), known);
}

void ps_task_close_loss(ps_loss_function *loss) {
    ps_free(loss->self);
    *loss = (ps_loss_function){.value = NULL};
}

ps_evaluation ps_evaluation_nothing(void) {
    ps_evaluation nothing = {.loss = NAN, .count = 0};
    for (int m = 0; m < PS_TRACE_MOST_MEASURES; m++) nothing.value[m] = NAN;
    return nothing;
}
