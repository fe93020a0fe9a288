/* How many processors a process may keep busy: those of its affinity mask, but not more than the quota of its control
 * group grants (a container with --cpus=2 on a machine with 64). */
#ifndef PS_PARALLEL_PROCESSORS_H
#define PS_PARALLEL_PROCESSORS_H

/* At least 1. */
int ps_processors(void);

/* The quota that control groups set, as whole processors, rounded up: 0 where there is none. root: where their file
 * system is mounted (/sys/fs/cgroup); membership: the file that names the process's groups (/proc/self/cgroup). Both
 * versions are understood: cpu.max, and cpu.cfs_quota_us with cpu.cfs_period_us below cpu or cpu,cpuacct. The
 * tightest quota from the group up to the root counts. */
int ps_processor_quota(const char *root, const char *membership);

#endif
