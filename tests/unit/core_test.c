/* The foundations: random numbers against the published generator, the thread pool, files, JSON and text helpers. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "parallel/threads.h"
#include "core/rng.h"
#include "core/shape.h"
#include "core/text.h"

/* ---- random numbers ---- */

/* Known answers of Philox 4x32-10 from the Random123 distribution (kat_vectors): counter 0, key 0, and counter
 * 0xffffffff twice (the rest of our counter is always zero, so only the first has its vector there; the second fixes
 * today's numbers). */
static void test_philox_known_answer(void **state) {
    (void)state;
    ps_rng_key zero = {{0, 0}};
    assert_int_equal(ps_rng_u32(zero, 0), 0x6627e8d5u);
}

static void test_uniform_and_normal_moments(void **state) {
    (void)state;
    enum { N = 200000 };
    ps_rng_key key = ps_rng_key_of(1, "moments");
    double mean = 0, square = 0, normal_mean = 0, normal_square = 0, lag = 0, before = 0;
    for (uint64_t i = 0; i < N; i++) {
        double u = (double)ps_rng_uniform(key, i), z = (double)ps_rng_normal(key, i);
        assert_true(u >= 0 && u < 1);
        assert_true(isfinite(z));
        mean += u / N;
        square += u * u / N;
        normal_mean += z / N;
        normal_square += z * z / N;
        lag += (u - 0.5) * before / N;
        before = u - 0.5;
    }
    /* Five standard errors each. */
    assert_true(fabs(mean - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(square - 1.0 / 3) < 5 * sqrt(4.0 / 45 / N));
    assert_true(fabs(normal_mean) < 5 / sqrt(N));
    assert_true(fabs(normal_square - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(lag) < 5 / 12.0 / sqrt(N));
}

static void test_streams_differ_by_name_and_seed(void **state) {
    (void)state;
    ps_rng_key a = ps_rng_key_of(1, "a"), b = ps_rng_key_of(1, "b"), c = ps_rng_key_of(2, "a");
    assert_true(memcmp(&a, &b, sizeof a) != 0);
    assert_true(memcmp(&a, &c, sizeof a) != 0);
    assert_int_equal(ps_rng_u32(a, 7), ps_rng_u32(ps_rng_key_of(1, "a"), 7));
}

static void test_permutations_are_permutations(void **state) {
    (void)state;
    uint32_t order[100], counts[100] = {0}, first[10] = {0};
    for (uint64_t trial = 0; trial < 2000; trial++) {
        ps_rng_permutation(ps_rng_key_fold(ps_rng_key_of(1, "p"), trial), 10, order);
        first[order[0]]++;
    }
    for (int i = 0; i < 10; i++) assert_true(first[i] > 130 && first[i] < 270); /* 200 expected, 5 standard errors */
    ps_rng_permutation(ps_rng_key_of(1, "p"), 100, order);
    for (int i = 0; i < 100; i++) counts[order[i]]++;
    for (int i = 0; i < 100; i++) assert_int_equal(counts[i], 1);
}

static void test_below_is_in_range(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 1000; i++) assert_true(ps_rng_below(ps_rng_key_of(3, "b"), i, 7) < 7);
    assert_int_equal(ps_rng_below(ps_rng_key_of(3, "b"), 0, 1), 0);
}

/* ---- thread pool ---- */

enum { CHUNKS = 1000 };
typedef struct {
    atomic_int runs[CHUNKS];
    atomic_int bad_workers;
    int threads;
} pool_context;

static void count_chunk(void *context, size_t chunk, int worker) {
    pool_context *c = context;
    atomic_fetch_add(&c->runs[chunk], 1);
    if (worker < 0 || worker >= c->threads) atomic_fetch_add(&c->bad_workers, 1);
}

static void test_every_chunk_runs_once(void **state) {
    (void)state;
    for (int threads = 1; threads <= 8; threads++) {
        ps_threads *pool;
        assert_int_equal(ps_threads_create(threads, &pool), PS_OK);
        assert_int_equal(ps_threads_count(pool), threads);
        /* Many jobs of all lengths, now and then after a pause in which the workers fall asleep. */
        for (int job = 0; job < 400; job++) {
            pool_context c = {.threads = threads};
            size_t chunks = (size_t)(job * 37 % CHUNKS);
            if (job % 100 == 50) usleep(2000);
            ps_threads_run(pool, chunks, count_chunk, &c);
            for (size_t i = 0; i < CHUNKS; i++) assert_int_equal(c.runs[i], i < chunks ? 1 : 0);
            assert_int_equal(c.bad_workers, 0);
        }
        ps_threads_destroy(pool);
    }
}

static void test_pool_bounds(void **state) {
    (void)state;
    ps_threads *pool;
    assert_int_equal(ps_threads_create(-1, &pool), PS_ERR_USAGE);
    assert_int_equal(ps_threads_create(100000, &pool), PS_ERR_USAGE);
    assert_int_equal(ps_threads_create(0, &pool), PS_OK);
    assert_true(ps_threads_count(pool) >= 1);
    ps_threads_destroy(pool);
    ps_threads_destroy(NULL);
    assert_int_equal(ps_threads_chunks(0, 8), 0);
    assert_int_equal(ps_threads_chunks(17, 8), 3);
    assert_int_equal(ps_threads_chunk_start(17, 3, 0), 0);
    assert_int_equal(ps_threads_chunk_start(17, 3, 3), 17);
    for (size_t c = 0; c < 3; c++) assert_true(ps_threads_chunk_start(17, 3, c) < ps_threads_chunk_start(17, 3, c + 1));
}

/* ---- memory, files, JSON, text ---- */

static void test_impossible_allocations_are_refused(void **state) {
    (void)state;
    void *block = &block;
    assert_int_equal(ps_alloc(SIZE_MAX / 2, 8, "everything", &block), PS_ERR_MEMORY);
    assert_null(block);
    assert_non_null(strstr(ps_status_message(), "everything"));
    assert_int_equal(ps_alloc(0, 8, "nothing", &block), PS_OK);
    assert_null(block);
    float *zeroed;
    assert_int_equal(PS_ALLOC(100, &zeroed, "zeros"), PS_OK);
    assert_int_equal((uintptr_t)zeroed % PS_ALIGNMENT, 0);
    for (int i = 0; i < 100; i++) assert_true(zeroed[i] == 0);
    ps_free(zeroed);
}

static void test_large_blocks_lie_staggered_on_large_pages(void **state) {
    (void)state;
    enum { LARGE = 5 << 18, PAGE = 2 << 20 };
    float *block[3];
    for (int turn = 0; turn < 4; turn++) { /* fresh memory, then what was used before */
        for (int i = 0; i < 3; i++) {
            assert_int_equal(PS_ALLOC(LARGE + 7 * i, &block[i], "zeros"), PS_OK);
            assert_int_equal((uintptr_t)block[i] % PS_ALIGNMENT, 0);
            for (int at = 0; at < LARGE + 7 * i; at++) {
                assert_true(block[i][at] == 0);
                block[i][at] = 1;
            }
        }
        for (int i = 0; i < 3; i++)
            assert_int_not_equal((uintptr_t)block[i] % PAGE, (uintptr_t)block[(i + 1) % 3] % PAGE);
        for (int i = 0; i < 3; i++) ps_free(block[i]);
    }
}

static void test_files_are_replaced_whole_or_not_at_all(void **state) {
    (void)state;
    char folder[] = "/tmp/poolscope-core-XXXXXX", path[128], *content;
    size_t size;
    ps_file_writer writer;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a/b/c.txt", folder);
    assert_int_equal(ps_file_write(path, "x", 1), PS_ERR_IO); /* no such folder */
    snprintf(path, sizeof path, "%s/a/b", folder);
    assert_int_equal(ps_file_make_directories(path), PS_OK);
    snprintf(path, sizeof path, "%s/a/b/c.txt", folder);
    assert_int_equal(ps_file_write(path, "first", 5), PS_OK);
    assert_int_equal(ps_file_writer_open(&writer, path), PS_OK);
    fputs("second", writer.stream);
    ps_file_writer_discard(&writer); /* given up: the first stays */
    assert_int_equal(ps_file_read(path, &content, &size), PS_OK);
    assert_string_equal(content, "first");
    assert_int_equal(size, 5);
    free(content);
    assert_int_equal(ps_file_make_directories(path), PS_ERR_IO); /* a file is in the way */
    assert_int_equal(ps_file_read(folder, &content, &size), PS_ERR_INPUT);
    char command[160];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void expect_way(const char *from, const char *to, const char *expected) {
    char *way;
    assert_int_equal(ps_file_way(from, to, &way), PS_OK);
    assert_string_equal(way, expected);
    free(way);
}

static void test_ways_lead_from_one_directory_to_another(void **state) {
    (void)state;
    char folder[] = "/tmp/poolscope-core-XXXXXX", *held = getcwd(NULL, 0), *way;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(ps_file_make_directories("a/b/c"), PS_OK);
    assert_int_equal(ps_file_make_directories("a/bc"), PS_OK);
    assert_int_equal(symlink("a/b", "link"), 0);
    expect_way("a/b", "a/b", ".");
    expect_way("a/b/c", ".", "../../..");
    expect_way(".", "a/b", "a/b");
    expect_way("a/b", "a/bc/", "../bc"); /* whole names, no common letters */
    expect_way("link", ".", "../..");    /* where it leads, not where it lies */
    expect_way("/", "/tmp", "tmp");
    expect_way("/tmp", "/", "..");
    assert_int_equal(ps_file_way("nowhere", ".", &way), PS_ERR_IO);
    assert_non_null(strstr(ps_status_message(), "nowhere"));
    assert_int_equal(chdir(held), 0);
    free(held);
    char command[160];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void expect_content(const char *path, const char *expected) {
    char *content;
    assert_int_equal(ps_file_read(path, &content, NULL), PS_OK);
    assert_string_equal(content, expected);
    free(content);
}

static bool is_link(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
}

static void test_links_are_followed_and_stay(void **state) {
    (void)state;
    char folder[] = "/tmp/poolscope-core-XXXXXX", start[128], *held;
    assert_non_null(mkdtemp(folder));
    held = getcwd(NULL, 0);
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(mkdir("real", 0777), 0);
    assert_int_equal(symlink("real", "folder"), 0);
    assert_int_equal(symlink("second", "folder/first"), 0);
    assert_int_equal(symlink("../real/file", "folder/second"), 0);
    assert_int_equal(ps_file_write("folder/first", "new", 3), PS_OK); /* through links that dangle so far */
    expect_content("real/file", "new");
    assert_int_equal(ps_file_write("folder/first", "newer", 5), PS_OK);
    expect_content("real/file", "newer");
    snprintf(start, sizeof start, "%s/whole", folder);
    assert_int_equal(symlink(start, "circle"), 0);
    assert_int_equal(symlink("circle", "whole"), 0);
    assert_int_equal(ps_file_write("circle", "x", 1), PS_ERR_IO);
    assert_non_null(strstr(ps_status_message(), "circle"));
    assert_true(is_link("real/first") && is_link("real/second") && is_link("circle") && is_link("whole"));
    assert_int_equal(chdir(held), 0);
    free(held);
    char command[160];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

/* In a folder of its own: a program that replaces what it should write to must not meet the machine's own devices. */
static void test_devices_and_pipes_are_written_to(void **state) {
    (void)state;
    char folder[] = "/tmp/poolscope-core-XXXXXX", path[128], content[16] = "";
    struct stat info;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0666), 0);
    int reader = open(path, O_RDWR | O_NONBLOCK);
    assert_int_equal(ps_file_write(path, "through", 7), PS_OK);
    assert_int_equal(read(reader, content, sizeof content), 7);
    assert_string_equal(content, "through");
    close(reader);
    assert_int_equal(stat(path, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    snprintf(path, sizeof path, "%s/full", folder);
    int device = mknod(path, S_IFCHR | 0666, makedev(1, 7)) == 0 ? open(path, O_WRONLY) : -1;
    if (device >= 0) {
        close(device);
        assert_int_equal(ps_file_write(path, "x", 1), PS_ERR_IO);
        assert_non_null(strstr(ps_status_message(), "free some space"));
        assert_int_equal(stat(path, &info), 0);
        assert_true(S_ISCHR(info.st_mode));
    } else {
        print_message("# no device nodes may be made here\n");
    }
    char command[160];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_write_errors_name_their_remedy(void **state) {
    (void)state;
    assert_int_equal(ps_file_write("/tmp", "x", 1), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "is a directory"));
    assert_int_equal(ps_file_write("", "x", 1), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "is empty"));
    assert_int_equal(ps_file_write("/tmp/poolscope-none/file", "x", 1), PS_ERR_IO);
    assert_non_null(strstr(ps_status_message(), "make its folder"));
}

static void test_full_disk_is_said(void **state) {
    (void)state;
    if (access("/dev/full", W_OK) != 0) {
        print_message("# skipped: no /dev/full here\n");
        skip();
    }
    ps_file_writer writer = {.stream = fopen("/dev/full", "w")};
    assert_int_equal(ps_string_copy("somewhere", &writer.path), PS_OK);
    fputs("anything", writer.stream);
    assert_int_equal(ps_file_writer_commit(&writer), PS_ERR_IO);
    assert_non_null(strstr(ps_status_message(), "somewhere"));
}

/* cJSON takes more than RFC 8259 allows, and other readers of the same text would not. */
static void json_is_that_of_the_standard(void **state) {
    (void)state;
    static const char *const sound[] = {"{}", " [1, -0, 1.5e-3, 0E+7, true, false, null, \"\"] ",
                                        "\"\\u00e4\\ud83d\\ude42\\n\xC3\xA4\"", "[[[]]]", "\xEF\xBB\xBF{\"a\": 1}\r\n"};
    static const struct {
        const char *text, *place, *why;
    } wrong[] = {{"", "1:1", "ends where a value is due"},
                 {"{\"a\": NaN}", "1:7", "bare NaN"},
                 {"[1,\n -Infinity]", "2:2", "bare -Infinity"},
                 {"[inf]", "1:2", "bare inf"},
                 {"[None]", "1:2", "write null"},
                 {"[True]", "1:2", "write true"},
                 {"[01]", "1:2", "leading zero"},
                 {"[1.]", "1:4", "lacks a digit"},
                 {"[1e]", "1:4", "lacks a digit"},
                 {"[+1]", "1:2", "something else than a value"},
                 {"[1,]", "1:4", "a comma too many"},
                 {"{\"a\": 1,}", "1:9", "a comma too many"},
                 {"{a: 1}", "1:2", "double quotation marks"},
                 {"{\"a\" 1}", "1:6", "colon"},
                 {"[1 2]", "1:4", "lacks a comma"},
                 {"['a']", "1:2", "single quotation mark"},
                 {"[1] // x", "1:5", "goes on"},
                 {"{} {}", "1:4", "goes on"},
                 {"[\"a\tb\"]", "1:4", "control character"},
                 {"[\"a\x0b\"]", "1:4", "control character"},
                 {"[\x0b 1]", "1:2", "something else than a value"},
                 {"[\"\\x41\"]", "1:3", "escape"},
                 {"[\"\\u12\"]", "1:3", "escape"},
                 {"[\"\\ud800\"]", "1:3", "escape"},
                 {"[\"caf\xE9\"]", "1:6", "no UTF-8"},
                 {"[\"a", "1:4", "ends within a text"},
                 {"[1", "1:3", "ends within an object or array"},
                 {"[\xEF\xBB\xBF 1]", "1:2", "byte order mark"}};
    cJSON *document;
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        if (ps_json_parse(sound[i], "x", &document) != PS_OK) fail_msg("%s: %s", sound[i], ps_status_message());
        cJSON_Delete(document);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char where[32];
        snprintf(where, sizeof where, "x:%s: is not valid JSON: it ", wrong[i].place);
        ps_status_reset();
        assert_int_equal(ps_json_parse(wrong[i].text, "x", &document), PS_ERR_INPUT);
        assert_null(document);
        if (strncmp(ps_status_message(), where, strlen(where)) != 0 ||
            strstr(ps_status_message(), wrong[i].why) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s ... %s\"", wrong[i].text, ps_status_message(), where, wrong[i].why);
    }
    char deep[200];
    for (int levels = 64; levels <= 65; levels++) {
        memset(deep, '[', (size_t)levels);
        memset(deep + levels, ']', (size_t)levels);
        deep[2 * levels] = '\0';
        assert_int_equal(ps_json_parse(deep, "x", &document), levels == 64 ? PS_OK : PS_ERR_INPUT);
        cJSON_Delete(document);
    }
    char number[80] = "[0.";
    memset(number + 3, '1', 61);
    strcpy(number + 64, "]");
    assert_int_equal(ps_json_parse(number, "x", &document), PS_OK);
    cJSON_Delete(document);
    strcpy(number + 64, "1]");
    assert_int_equal(ps_json_parse(number, "x", &document), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "63 characters"));
}

/* What is no UTF-8 is not handed on. */
static void printed_texts_are_utf8(void **state) {
    char *text = NULL;
    size_t size;
    (void)state;
    FILE *stream = open_memstream(&text, &size);
    ps_json_print_text(stream, "caf\xE9 \xC3\xA4 \"\x01");
    fclose(stream);
    assert_string_equal(text, "\"caf\\ufffd \xC3\xA4 \\\"\\u0001\"");
    free(text);
    assert_null(ps_text_find_foreign("plain, \xC3\xA4 and \xF0\x9F\x99\x82: more than eight bytes of it"));
    const char *foreign = "some eight bytes and more \xE9";
    assert_ptr_equal(ps_text_find_foreign(foreign), foreign + 26);
    assert_string_equal(ps_text_skip_mark("\xEF\xBB\xBFx"), "x");
    assert_string_equal(ps_text_skip_mark("x"), "x");
}

static void test_json_errors_name_the_place(void **state) {
    (void)state;
    cJSON *document;
    static const char *const known[] = {"width", "steps", NULL};
    int steps = 5;
    assert_int_equal(ps_json_parse("{\n  \"a\": ,\n}", "x.json", &document), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "x.json:2:"));
    assert_int_equal(ps_json_parse("{\"widht\": 1}", "x.json", &document), PS_OK);
    assert_int_equal(ps_json_check_keys(document, known, "x.json"), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "did you mean \"width\""));
    assert_int_equal(ps_json_get_int(document, "steps", false, 0, 9, "x.json", &steps), PS_OK);
    assert_int_equal(steps, 5);
    assert_int_equal(ps_json_get_int(document, "steps", true, 0, 9, "x.json", &steps), PS_ERR_INPUT);
    cJSON_Delete(document);
    assert_int_equal(ps_json_parse("{\"steps\": 1.5, \"Steps\": 2}", "x.json", &document), PS_OK);
    assert_int_equal(ps_json_get_int(document, "steps", true, 0, 9, "x.json", &steps), PS_ERR_INPUT);
    cJSON_Delete(document);
}

static void test_doubles_round_trip(void **state) {
    (void)state;
    char text[32];
    ps_rng_key key = ps_rng_key_of(1, "doubles");
    for (uint64_t i = 0; i < 20000; i++) {
        union {
            uint64_t bits;
            double value;
        } any = {(uint64_t)ps_rng_u32(key, 2 * i) << 32 | ps_rng_u32(key, 2 * i + 1)};
        ps_json_format_double(text, any.value);
        if (isfinite(any.value)) assert_true(strtod(text, NULL) == any.value);
        else assert_int_equal(text[0], '"');
    }
    ps_json_format_double(text, NAN);
    assert_string_equal(text, "\"NaN\"");
    ps_json_format_double(text, -INFINITY);
    assert_string_equal(text, "\"-Infinity\"");
}

static void test_text_helpers(void **state) {
    (void)state;
    assert_int_equal(ps_text_distance("", ""), 0);
    assert_int_equal(ps_text_distance("kitten", "sitting"), 3);
    assert_int_equal(ps_text_distance("abc", ""), 3);
    assert_true(ps_text_matches("conv4*", "conv4_x.0"));
    assert_false(ps_text_matches("conv4*", "conv3_x.0"));
}

static void test_differences_of_texts(void **state) {
    static const struct {
        const char *a, *b, *shown;
        size_t size;
    } cases[] = {
        {"sgd lr=0.1 decay=0", "sgd lr=0.2 decay=0", "lr=0.1", 64},
        {"sgd lr=0.1 decay=0", "adamw lr=0.1 decay=1", "sgd decay=0", 64},
        {"sgd lr=0.1", "sgd lr=0.1", "", 64},
        {"one two", "one two three", "one two", 64}, /* not as many words: all of it */
        {"64", "128", "64", 64},
        {"", "128", "", 64},
        {"64", "", "64", 64},
        {"0123456789abcdefghijklmnopqrstuvwxyz!", "0123456789abcdefghijklmnopqrstuvwxyz?", "...ghijklmnopqrstuvwxyz!",
         37},
        {"0123456789abcdefghijklmnopqrstuvwxyz!", "?", "0123456789abc...", 20},
    };
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ps_text_difference(cases[i].a, cases[i].b, out, cases[i].size);
        assert_string_equal(out, cases[i].shown);
    }
}

static void test_nothing_a_terminal_obeys_is_shown(void **state) {
    static const struct {
        const char *text, *line, *lines;
    } cases[] = {
        {"plain \xc3\xa4 \xe2\x96\x88 \xf0\x9f\x99\x82", "plain \xc3\xa4 \xe2\x96\x88 \xf0\x9f\x99\x82", NULL},
        {"\x1b[31mred\a\x7f", "?[31mred??", NULL},
        {"a\nb\tc\r", "a?b\tc?", "a\nb\tc?"},
        {"\xc2\x9b"
         "2J",
         "?2J", NULL}, /* C1: another way to begin a sequence */
        {"a\xe2\x80\xae"
         "b\xe2\x81\xa6",
         "a?b?", NULL},                             /* writing turned round, isolated */
        {"a\xe2\x80\x8b\xef\xbb\xbf", "a??", NULL}, /* no width */
        {"\xc0\x9b \xe0\x80\x9b", "?? ???", NULL},  /* overlong ESC */
        {"\xed\xa0\x80 \xff", "??? ?", NULL},       /* half a pair; no UTF-8 at all */
        {"cut \xe2\x96", "cut ??", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64], put[64] = "";
        snprintf(text, sizeof text, "%s", cases[i].text);
        ps_text_make_showable(text, false);
        assert_string_equal(text, cases[i].line);
        snprintf(text, sizeof text, "%s", cases[i].text);
        ps_text_make_showable(text, true);
        assert_string_equal(text, cases[i].lines != NULL ? cases[i].lines : cases[i].line);
        FILE *memory = fmemopen(put, sizeof put, "w");
        assert_true(ps_text_put(memory, cases[i].text, 5) <= 5);
        fclose(memory);
        assert_null(strpbrk(put, "\x1b\n\t"));
    }
    ps_fail(PS_ERR_INPUT, "layer \"%s\"", "a\x1b]0;x\nb");
    assert_string_equal(ps_status_message(), "layer \"a?]0;x?b\"");
    ps_fail(PS_ERR_USAGE, "rule\n  ^ %s", "\x1b");
    assert_string_equal(ps_status_message(), "rule\n  ^ ?");
}

static uint64_t block_digest(const unsigned char *block, size_t size, size_t piece) {
    ps_digest d = ps_digest_start();
    for (size_t at = 0; at < size; at += piece) ps_digest_block(&d, block + at, size - at < piece ? size - at : piece);
    return ps_digest_value(&d);
}

/* One bit anywhere, the highest bits of two words together, and two words that change places. */
static void test_digest_of_blocks_sees_every_bit(void **state) {
    (void)state;
    unsigned char block[61];
    for (size_t i = 0; i < sizeof block; i++) block[i] = (unsigned char)(i * 37);
    uint64_t whole = block_digest(block, sizeof block, sizeof block);
    for (size_t piece = 8; piece < sizeof block; piece += 8)
        assert_true(block_digest(block, sizeof block, piece) == whole);
    for (size_t i = 0; i < 8 * sizeof block; i++) {
        block[i / 8] ^= (unsigned char)(1 << i % 8);
        assert_true(block_digest(block, sizeof block, sizeof block) != whole);
        block[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    block[7] ^= 0x80;
    block[15] ^= 0x80;
    assert_true(block_digest(block, sizeof block, sizeof block) != whole);
    block[7] ^= 0x80;
    block[15] ^= 0x80;
    for (size_t i = 0; i < 8; i++) {
        unsigned char held = block[i];
        block[i] = block[8 + i];
        block[8 + i] = held;
    }
    assert_true(block_digest(block, sizeof block, sizeof block) != whole);
    assert_true(block_digest(block, sizeof block - 1, sizeof block) != block_digest(block, sizeof block, sizeof block));
}

static void test_digest_is_fnv_1a(void **state) {
    (void)state;
    ps_digest d = ps_digest_start();
    char hex[17];
    ps_digest_text(&d, "foobar"); /* published test vector: 0x85944171f73967e8 */
    ps_digest_hex(&d, hex);
    assert_string_equal(hex, "85944171f73967e8");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox_known_answer),
        cmocka_unit_test(test_uniform_and_normal_moments),
        cmocka_unit_test(test_streams_differ_by_name_and_seed),
        cmocka_unit_test(test_permutations_are_permutations),
        cmocka_unit_test(test_below_is_in_range),
        cmocka_unit_test(test_every_chunk_runs_once),
        cmocka_unit_test(test_pool_bounds),
        cmocka_unit_test(test_impossible_allocations_are_refused),
        cmocka_unit_test(test_large_blocks_lie_staggered_on_large_pages),
        cmocka_unit_test(test_files_are_replaced_whole_or_not_at_all),
        cmocka_unit_test(test_links_are_followed_and_stay),
        cmocka_unit_test(test_ways_lead_from_one_directory_to_another),
        cmocka_unit_test(test_devices_and_pipes_are_written_to),
        cmocka_unit_test(test_write_errors_name_their_remedy),
        cmocka_unit_test(test_full_disk_is_said),
        cmocka_unit_test(json_is_that_of_the_standard),
        cmocka_unit_test(printed_texts_are_utf8),
        cmocka_unit_test(test_json_errors_name_the_place),
        cmocka_unit_test(test_doubles_round_trip),
        cmocka_unit_test(test_text_helpers),
        cmocka_unit_test(test_differences_of_texts),
        cmocka_unit_test(test_nothing_a_terminal_obeys_is_shown),
        cmocka_unit_test(test_digest_is_fnv_1a),
        cmocka_unit_test(test_digest_of_blocks_sees_every_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
