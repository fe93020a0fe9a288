/* Quotas of control groups, read from made-up file systems of both versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/file.h"
#include "parallel/processors.h"

static char root[64];

static int make_root(void **state) {
    (void)state;
    snprintf(root, sizeof root, "/tmp/poolscope-groups-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

static void put(const char *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s%s", root, folder);
    assert_int_equal(ps_file_make_directories(path), PS_OK);
    snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
    assert_int_equal(ps_file_write(path, text, strlen(text)), PS_OK);
}

static int quota(const char *membership) {
    char path[128];
    put("", "membership", membership);
    snprintf(path, sizeof path, "%s/membership", root);
    return ps_processor_quota(root, path);
}

static void second_version(void **state) {
    (void)state;
    assert_int_equal(quota("0::/\n"), 0);
    put("", "cpu.max", "100000 100000\n");
    assert_int_equal(quota("0::/\n"), 1);
    put("", "cpu.max", "max 100000\n");
    assert_int_equal(quota("0::/\n"), 0);
    put("", "cpu.max", "50000 100000\n"); /* half a processor is one thread's */
    assert_int_equal(quota("0::/\n"), 1);
    put("", "cpu.max", "250000 100000\n"); /* two and a half keep three busy in turn */
    assert_int_equal(quota("0::/\n"), 3);
    put("", "cpu.max", "300000 100000\n");
    assert_int_equal(quota("0::/\n"), 3);
    /* The tightest of the groups on the way up. */
    put("/slice", "cpu.max", "max 100000\n");
    put("/slice/job", "cpu.max", "400000 100000\n");
    assert_int_equal(quota("0::/slice/job\n"), 3);
    put("/slice", "cpu.max", "200000 100000\n");
    assert_int_equal(quota("0::/slice/job\n"), 2);
    /* A container that sees its own group as the root. */
    assert_int_equal(quota("0::/docker/0123456789\n"), 3);
    assert_int_equal(quota("0::/../other\n"), 3);
}

static void first_version(void **state) {
    (void)state;
    const char *const member = "12:memory:/m\n4:cpu,cpuacct:/job\n2:cpuset:/set\n0::/init.scope\n";
    assert_int_equal(quota(member), 0);
    put("/cpu,cpuacct/job", "cpu.cfs_quota_us", "-1\n");
    put("/cpu,cpuacct/job", "cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota(member), 0);
    put("/cpu,cpuacct/job", "cpu.cfs_quota_us", "150000\n");
    assert_int_equal(quota(member), 2);
    put("/cpu,cpuacct", "cpu.cfs_quota_us", "50000\n");
    put("/cpu,cpuacct", "cpu.cfs_period_us", "50000\n");
    assert_int_equal(quota(member), 1);
    assert_int_equal(quota("2:cpuset:/job\n"), 0); /* another controller than cpu says nothing */
    put("/cpu/job", "cpu.cfs_quota_us", "400000\n");
    put("/cpu/job", "cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota("4:cpu:/job\n"), 1);
}

/* Whatever stands there, the answer is a number of processors or none. */
static void odd_files(void **state) {
    (void)state;
    static const char *const texts[] = {"",          "\n",       "x",       "100000", "0 100000",
                                        "-5 100000", "100000 0", "1e300 1", "nan nan"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put("", "cpu.max", texts[i]);
        assert_int_equal(quota("0::/\n"), 0);
    }
    put("", "cpu.max", "100000 100000\n");
    assert_int_equal(quota("no line of groups\n::\n"), 1);
    assert_int_equal(ps_processor_quota(root, "/nowhere"), 0);
    assert_true(ps_processors() >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(second_version, make_root, remove_root),
        cmocka_unit_test_setup_teardown(first_version, make_root, remove_root),
        cmocka_unit_test_setup_teardown(odd_files, make_root, remove_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
