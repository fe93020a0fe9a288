/* Sets of files: what was written is whole, what was changed or half replaced is not, and says where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file.h"
#include "core/file_set.h"
#include "core/memory.h"
#include "tests/lib/folder.h"

static const char remedy[] = "make it again";

static const char *place(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text) {
    assert_int_equal(ps_file_write(place(name), text, strlen(text)), PS_OK);
}

static void assert_text(const char *name, const char *text) {
    char *found;
    assert_int_equal(ps_file_read(place(name), &found, NULL), PS_OK);
    assert_string_equal(found, text);
    free(found);
}

static ps_file_set *begin(void) {
    ps_file_set *set;
    assert_int_equal(ps_file_set_begin(folder, "dishes", remedy, &set), PS_OK);
    return set;
}

static void add(ps_file_set *set, const char *name, const char *text) {
    FILE *stream;
    assert_int_equal(ps_file_set_add(set, name, &stream), PS_OK);
    fputs(text, stream);
}

static void commit(ps_file_set *set) { assert_int_equal(ps_file_set_commit(set), PS_OK); }

static ps_status check(void) { return ps_file_set_check(folder, "dishes", remedy, NULL); }

/* The set is refused in one sentence that names the file and the remedy. */
static void assert_refused(const char *name) {
    assert_int_equal(check(), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), name));
    assert_non_null(strstr(ps_status_message(), remedy));
}

static void put_dishes(const char *text) {
    ps_file_set *set = begin();
    add(set, "menu.json", text);
    add(set, "tables/soup.tsv", "hot\n");
    add(set, "tables/empty.tsv", "");
    commit(set);
}

static void a_set_is_whole_until_something_changes(void **state) {
    bool known = true;
    (void)state;
    assert_int_equal(ps_file_set_check(folder, "dishes", remedy, &known), PS_OK);
    assert_false(known);
    put_dishes("{}");
    assert_int_equal(ps_file_set_check(folder, "dishes", remedy, &known), PS_OK);
    assert_true(known);
    write_text("tables/soup.tsv", "lot\n");
    assert_refused("tables/soup.tsv: is not the file");
    write_text("tables/soup.tsv", "hot\n\n");
    assert_refused("tables/soup.tsv: is not the file");
    put_dishes("{}");
    write_text("tables/empty.tsv", "x");
    assert_refused("tables/empty.tsv");
    unlink(place("tables/empty.tsv"));
    assert_refused("tables/empty.tsv: is missing");
    put_dishes("{\"a\":1}");
    assert_int_equal(check(), PS_OK);
    assert_text("menu.json", "{\"a\":1}");
}

static void what_is_discarded_leaves_the_earlier_set(void **state) {
    (void)state;
    put_dishes("old");
    ps_file_set *set = begin();
    add(set, "menu.json", "new");
    add(set, "other.json", "new");
    ps_file_set_discard(set);
    assert_int_equal(check(), PS_OK);
    assert_text("menu.json", "old");
    assert_false(ps_file_exists(place("other.json")));
    ps_file_set_discard(NULL);
}

/* A folder in the way of a member stops the replacement in its middle. */
static void a_replacement_that_stops_half_way_is_refused(void **state) {
    (void)state;
    put_dishes("old");
    unlink(place("tables/soup.tsv"));
    ps_file_set *set = begin();
    add(set, "menu.json", "new");
    add(set, "tables/soup.tsv", "cold\n");
    assert_int_equal(mkdir(place("tables/soup.tsv"), 0777), 0);
    write_text("tables/soup.tsv/in_the_way", "x");
    assert_int_equal(ps_file_set_commit(set), PS_ERR_IO);
    assert_non_null(strstr(ps_status_message(), "is not whole now"));
    assert_text("menu.json", "new");
    assert_refused("tables/soup.tsv");
}

static void every_damaged_byte_of_a_manifest_is_seen(void **state) {
    char *text;
    size_t size;
    (void)state;
    put_dishes("{}");
    assert_int_equal(ps_file_read(place("dishes.manifest.tsv"), &text, &size), PS_OK);
    assert_int_equal(strncmp(text, "file\tbytes\tdigest\n", 18), 0);
    for (size_t at = 0; at < size; at++)
        for (int bit = 0; bit < 8; bit++) {
            text[at] ^= (char)(1 << bit);
            assert_int_equal(ps_file_write(place("dishes.manifest.tsv"), text, size), PS_OK);
            text[at] ^= (char)(1 << bit);
            assert_int_equal(check(), PS_ERR_INPUT);
        }
    for (size_t length = 0; length < size; length++) {
        assert_int_equal(ps_file_write(place("dishes.manifest.tsv"), text, length), PS_OK);
        assert_int_equal(check(), PS_ERR_INPUT);
    }
    free(text);
}

static void members_are_taken_back_kept_and_removed(void **state) {
    (void)state;
    put_dishes("{}");
    ps_file_set *set = begin();
    add(set, "menu.json", "[]");
    add(set, "tables/fish.tsv", "none\n");
    ps_file_set_withdraw(set);
    assert_int_equal(ps_file_set_keep_others(set), PS_OK);
    commit(set);
    assert_false(ps_file_exists(place("tables/fish.tsv")));
    assert_text("tables/soup.tsv", "hot\n");
    write_text("tables/soup.tsv", "lot\n");
    assert_refused("tables/soup.tsv"); /* kept means: as it was written */
    write_text("tables/soup.tsv", "hot\n");
    write_text("tables/mine.tsv", "x\n");
    set = begin();
    add(set, "menu.json", "[]");
    assert_int_equal(ps_file_set_remove_others(set), PS_OK);
    commit(set);
    assert_int_equal(check(), PS_OK);
    assert_false(ps_file_exists(place("tables/soup.tsv")));
    assert_text("tables/mine.tsv", "x\n"); /* never a member */
}

static void a_source_ties_a_set_to_what_it_was_made_from(void **state) {
    (void)state;
    write_text("recipe", "salt");
    ps_file_set *set = begin();
    add(set, "menu.json", "{}");
    assert_int_equal(ps_file_set_add_source(set, "recipe"), PS_OK);
    commit(set);
    assert_int_equal(check(), PS_OK);
    write_text("recipe", "malt");
    assert_refused("recipe");
}

static void what_is_made_in_the_workshop_is_moved(void **state) {
    const char *workshop;
    char *made;
    (void)state;
    ps_file_set *set = begin();
    assert_int_equal(ps_file_set_workshop(set, &workshop), PS_OK);
    assert_int_equal(ps_file_join(workshop, "picture", &made), PS_OK);
    assert_int_equal(ps_file_write(made, "paint", 5), PS_OK);
    assert_int_equal(ps_file_set_add_made(set, "pictures/one", made), PS_OK);
    ps_file_set_is_page(set);
    commit(set);
    assert_text("pictures/one", "paint");
    assert_int_equal(check(), PS_OK);
    assert_false(ps_file_exists(made));
    free(made);
}

static void two_writers_do_not_meet(void **state) {
    ps_file_set *other;
    (void)state;
    ps_file_set *set = begin();
    assert_int_equal(ps_file_set_begin(folder, "drinks", remedy, &other), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "another process"));
    ps_file_set_discard(set);
    ps_file_set_discard(begin());
}

/* What a killed process left under temporary names goes; what is called alike stays. */
static void leavings_are_cleared_away(void **state) {
    (void)state;
    put_dishes("{}");
    write_text("menu.json.tmp123", "half");
    write_text("menu.json.tmpx", "mine");
    put_dishes("{}");
    assert_false(ps_file_exists(place("menu.json.tmp123")));
    assert_true(ps_file_exists(place("menu.json.tmpx")));
}

static void a_member_stands_once(void **state) {
    FILE *stream;
    (void)state;
    ps_file_set *set = begin();
    add(set, "menu.json", "{}");
    assert_int_equal(ps_file_set_add(set, "menu.json", &stream), PS_ERR_INTERNAL);
    ps_file_set_discard(set);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(a_set_is_whole_until_something_changes),
        TEST(what_is_discarded_leaves_the_earlier_set),
        TEST(a_replacement_that_stops_half_way_is_refused),
        TEST(every_damaged_byte_of_a_manifest_is_seen),
        TEST(members_are_taken_back_kept_and_removed),
        TEST(a_source_ties_a_set_to_what_it_was_made_from),
        TEST(what_is_made_in_the_workshop_is_moved),
        TEST(two_writers_do_not_meet),
        TEST(leavings_are_cleared_away),
        TEST(a_member_stands_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
