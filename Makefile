# poolscope. `make help` lists what can be made; `make demo` and `make check` are all a new user needs.
#
# Sources are found by folder: a new layer, quantity, format, plot or test needs no line here.
# Files named *.simd.c are compiled once per instruction set (PS_ISA names the copy) and chosen at run time.

CONFIG   ?= release
BUILD    := build/$(CONFIG)
JOBS     ?= $(shell nproc 2>/dev/null || echo 1)
CC       ?= cc
ARCH     := $(shell uname -m)

CFLAGS_release := -O2 -g -DNDEBUG
# Unrolled kernels. Under the address sanitizer one of them takes a compiler minutes at any level but -O0: seconds.
SIMD_CFLAGS_release := -O3
SIMD_CFLAGS_asan := -O0
SIMD_CFLAGS_asan-clang := -O0
CFLAGS_debug   := -O0 -g3
CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_asan-clang = $(CFLAGS_asan)
CFLAGS_tsan    := -O1 -g -fsanitize=thread
CFLAGS_coverage := -O0 -g --coverage
CFLAGS   ?= $(CFLAGS_$(CONFIG))
# No -ffast-math: NaN and infinity must survive. -ffp-contract=off keeps one source line one rounding everywhere
# except where a kernel asks for a fused multiply-add by name.
BASE_CFLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -Isrc -I. -ffp-contract=off -fno-math-errno -pthread -MMD -MP \
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Werror=implicit
BLAS_LIBS ?= $(shell pkg-config --libs openblas 2>/dev/null || echo -lopenblas)
PNG_LIBS ?= $(shell pkg-config --libs libpng 2>/dev/null || echo -lpng)
JPEG_LIBS ?= $(shell pkg-config --libs libjpeg 2>/dev/null || echo -ljpeg)
# Its headers include each other from their own folder.
NIFTI_CFLAGS ?= -isystem /usr/include/nifti
CURSES_LIBS ?= $(shell pkg-config --libs ncursesw 2>/dev/null || echo -lncursesw)
LIBS     := $(BLAS_LIBS) -llapacke -lcjson $(PNG_LIBS) $(JPEG_LIBS) -lnifti2 -lz -lzstd $(CURSES_LIBS) -lm -pthread

ifeq ($(ARCH),x86_64)
ISAS := base avx2 avx512
ISA_CFLAGS_base   :=
ISA_CFLAGS_avx2   := -mavx2 -mfma -mf16c
ISA_CFLAGS_avx512 := -mavx512f -mavx512vl -mavx512dq -mavx512bw -mavx2 -mfma -mf16c -mprefer-vector-width=512
else
ISAS := base
endif

# `make V=1` shows the commands.
Q := $(if $(V),,@)

SIMD_SOURCES := $(wildcard src/kernels/*.simd.c)
SOURCES := $(filter-out %.simd.c src/cli/main.c,$(wildcard src/*/*.c)) $(wildcard analysis/*.c analysis/*/*.c reports/*.c)
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) $(foreach isa,$(ISAS),$(SIMD_SOURCES:%.simd.c=$(BUILD)/%.$(isa).o))
LIBRARY := $(BUILD)/libpoolscope.a
PROGRAM := $(BUILD)/poolscope

TEST_LIB_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/lib/*.c tests/ref/*.c))
TEST_SOURCES := $(wildcard tests/unit/*_test.c tests/grad/*_test.c tests/golden/*_test.c)
TESTS := $(TEST_SOURCES:%.c=$(BUILD)/%)
TEST_TOOLS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/*/*_tool.c))
BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*_bench.c))
# The other side of this one is oneDNN (libdnnl-dev); without it the rest is run all the same.
ifeq ($(wildcard /usr/include/oneapi/dnnl/dnnl.h /usr/local/include/oneapi/dnnl/dnnl.h),)
BENCHES := $(filter-out %/conv_bench,$(BENCHES))
endif

.DEFAULT_GOAL := all
.PHONY: all help setup venv demo demo-faults check check-machines check-full bench calibrate calibrate-diagnoses asan ubsan tsan valgrind fuzz coverage golden-update install uninstall format lint tests clean
.SECONDARY:

all: $(PROGRAM)          ## build the program (build/release/poolscope)

help:                    ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F '|' '{ printf "  make %-14s  %s\n", $$1, $$2 }'

setup:                   ## install missing Debian packages (with sudo where needed), or say what to install
	@.ci/setup.sh

venv:                    ## PyTorch, NumPy, Pillow and clang-format into .venv, for the tests and checks that want them
	@.ci/setup.sh venv

demo: setup              ## build, run examples/quickstart, and say where the report is
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@examples/quickstart/run.sh $(PROGRAM)

demo-faults: setup       ## one sound training and three ill ones, and what the program says of each (examples/faults)
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@examples/faults/demo.sh $(PROGRAM)

check: setup             ## build and run all tests
	@$(MAKE) --no-print-directory -j$(JOBS) all tests
	@tests/run.sh $(BUILD)

check-machines: setup     ## tests under every instruction set and BLAS kernel that this processor can run (REDUCED=1: in short)
	@$(MAKE) --no-print-directory -j$(JOBS) all tests
	@tests/machines.sh $(BUILD) $(if $(REDUCED),reduced,full)

check-full: check        ## check, then the sanitizers and valgrind
	@$(MAKE) --no-print-directory asan tsan valgrind

# Benchmarks and the calibration are built with the tests, so that none is found broken on the day it is wanted.
tests: $(TESTS) $(TEST_TOOLS) $(BENCHES) $(BUILD)/tests/calibrate/calibrate    ## build the test programs without running them

bench: all $(BENCHES)    ## run the benchmarks and put what they measure into tests/bench/RESULTS.md
	@tests/bench/run.sh $(BUILD)

calibrate: all $(BUILD)/tests/calibrate/calibrate   ## simulate the tests' error rates and power and rewrite analysis/CALIBRATION.md
	@tests/calibrate/calibrate.sh $(BUILD)

# Two compilers' objects do not mix: each has its own folder.
ASAN := asan$(if $(findstring clang,$(CC)),-clang)
asan:                    ## run the tests with the address and undefined-behaviour sanitizers (also with CC=clang)
	@$(MAKE) --no-print-directory CONFIG=$(ASAN) all tests
	@tests/run.sh build/$(ASAN)

ubsan: asan              ## the same: both sanitizers run together

tsan:                    ## run the unit tests with the thread sanitizer
	@$(MAKE) --no-print-directory CONFIG=tsan all tests
	@tests/run.sh build/tsan unit

valgrind: tests          ## run the unit tests under valgrind
	@PS_TEST_WRAPPER="valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite" tests/run.sh $(BUILD) unit

fuzz:                    ## fuzz every reader for a minute each (needs clang)
	@tests/fuzz/run.sh

coverage:                ## line coverage of the tests (needs gcovr)
	@$(MAKE) --no-print-directory CONFIG=coverage all tests
	@tests/run.sh build/coverage
	@gcovr --root . --exclude tests build/coverage

golden-update: all $(filter $(BUILD)/tests/golden/%,$(TESTS))   ## rewrite golden files and the tables made from lists on purpose, and show what changed
	@PS_GOLDEN_UPDATE=1 tests/run.sh $(BUILD) golden
	@git diff --stat -- tests/golden src/trace analysis/findings 2>/dev/null || true

calibrate-diagnoses: all ## plant faults in short trainings and rewrite how often findings err (analysis/findings/ERROR_RATES.md)
	@tests/calibrate/faults.sh $(BUILD)

PREFIX ?= /usr/local
install: all             ## install the program, plots, documents, examples, manual pages and completions under PREFIX
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' .ci/install.sh install $(PROGRAM)

uninstall:               ## remove what `make install` put under PREFIX, and nothing else
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' .ci/install.sh uninstall

format:                  ## format the C sources in place (clang-format 19.1.7)
	@tests/format.sh write

lint:                    ## check includes, lines of 120 columns, unused functions, formatting and cppcheck
	@tests/lint.sh

clean:                   ## remove what was built
	rm -rf build

$(PROGRAM): $(BUILD)/src/cli/main.o $(LIBRARY)
	@echo "  LD $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LIBS) $(LDFLAGS)

# The archive is made anew when its list of members changes, so that a deleted source leaves no ghost in it.
$(LIBRARY): $(OBJECTS)
	@rm -f $@
	@$(AR) rcs $@ $(OBJECTS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(BASE_CFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/src/data/png.o: BASE_CFLAGS += $(shell pkg-config --cflags libpng 2>/dev/null)
$(BUILD)/src/data/jpeg.o: BASE_CFLAGS += $(shell pkg-config --cflags libjpeg 2>/dev/null)
$(BUILD)/src/data/nifti.o $(BUILD)/src/data/nifti_write.o: BASE_CFLAGS += $(NIFTI_CFLAGS)
$(BUILD)/src/watch/screen.o: BASE_CFLAGS += $(shell pkg-config --cflags ncursesw 2>/dev/null)

define ISA_RULE
$(BUILD)/%.$(1).o: %.simd.c
	@mkdir -p $$(@D)
	@echo "  CC $$< ($(1))"
	$(Q)$(CC) $(BASE_CFLAGS) $(CFLAGS) $(SIMD_CFLAGS_$(CONFIG)) $(ISA_CFLAGS_$(1)) -DPS_ISA=$(1) -DPS_ISA_$(1)=1 -c -o $$@ $$<
endef
$(foreach isa,$(ISAS),$(eval $(call ISA_RULE,$(isa))))

$(BUILD)/tests/%_test: $(BUILD)/tests/%_test.o $(TEST_LIB_OBJECTS) $(LIBRARY)
	@echo "  LD $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lcmocka $(LIBS) $(LDFLAGS)

$(BUILD)/tests/%_tool: $(BUILD)/tests/%_tool.o $(TEST_LIB_OBJECTS) $(LIBRARY)
	@echo "  LD $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lcmocka $(LIBS) $(LDFLAGS)

$(BUILD)/tests/bench/%_bench: $(BUILD)/tests/bench/%_bench.o $(TEST_LIB_OBJECTS) $(LIBRARY)
	@echo "  LD $@"
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lcmocka $(BENCH_LIBS) $(LIBS) $(LDFLAGS)

$(BUILD)/tests/bench/conv_bench: BENCH_LIBS := -ldnnl

$(BUILD)/tests/calibrate/calibrate: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/calibrate/*.c)) $(BUILD)/tests/lib/trace_fixture.o $(LIBRARY)
	$(CC) $(CFLAGS) -o $@ $^ $(LIBS) $(LDFLAGS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
