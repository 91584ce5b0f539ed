# The front door; Meson does the work. Everything is built under build*/.
#
#   make demo     install what is needed, build, show a share and three getters
#   make check    install what is needed, build, run all tests, print the tally
#   make          build build/src/cli/shoal
#   make install  program, manual, completions, units, docs; PREFIX, DESTDIR
#   make deb      a Debian package
#   make static   one program that needs only a C library

MESON ?= meson
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

.PHONY: all demo check test asan tsan clang coverage i386 fuzz bench deps-bench perf-baseline format install uninstall deb static deps deps-test clean

all: build
	ninja -C build

build:
	$(MESON) setup build --prefix=$(PREFIX) --buildtype=release

deps:
	scripts/deps.sh build

deps-test:
	scripts/deps.sh build test

# The program alone: the tests take as long again to compile.
demo: deps
	$(MAKE) build
	ninja -C build src/cli/shoal
	scripts/demo.sh build/src/cli/shoal

check: deps-test
	scripts/check.sh

# One configuration each, for development.
test: all
	$(MESON) test -C build --print-errorlogs

asan:
	test -d build-asan || CC=clang $(MESON) setup build-asan -Db_sanitize=address,undefined -Db_lundef=false
	$(MESON) test -C build-asan --print-errorlogs

tsan:
	test -d build-tsan || CC=clang $(MESON) setup build-tsan -Db_sanitize=thread -Db_lundef=false
	$(MESON) test -C build-tsan --print-errorlogs --suite threads

clang:
	test -d build-clang || CC=clang $(MESON) setup build-clang
	$(MESON) test -C build-clang --print-errorlogs --suite unit

# What the tests run of src; COVERAGE=... for other tests: make coverage COVERAGE="--no-suite interop"
COVERAGE ?= --suite unit --suite fuzz
coverage:
	test -d build-coverage || $(MESON) setup build-coverage -Db_coverage=true --buildtype=debug
	find build-coverage -name '*.gcda' -delete
	-$(MESON) test -C build-coverage --timeout-multiplier 3 $(COVERAGE)
	scripts/coverage.py build-coverage

# Where a pointer has four bytes; needs root.
i386:
	scripts/deps.sh i386
	scripts/i386.sh build-i386

fuzz:
	test -d build-fuzz || CC=clang $(MESON) setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
	ninja -C build-fuzz
	tests/fuzz/run.sh build-fuzz $(FUZZ_SECONDS)

# Every figure against every other client there is; BENCH=... for fewer: make bench BENCH="transfer --runs 3"
BENCH ?= all
bench: deps-bench all
	SHOAL_BIN=$(CURDIR)/build/src/cli/shoal /usr/bin/python3 -B bench/run.py $(BENCH)

deps-bench:
	scripts/deps.sh build test bench

# What tests/perf holds instruction counts against, anew.
perf-baseline: build
	ninja -C build perf-baseline

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

# DESTDIR counts here, PREFIX when build/ is made.
install: all
	$(MESON) install -C build

# What the last install put there, with the same DESTDIR.
uninstall:
	ninja -C build uninstall

# build-deb/shoal_VERSION_ARCH.deb, for the Debian that runs here.
deb:
	scripts/deps.sh build deb
	scripts/deb.sh build-deb

# build-static/shoal, for any Linux with a C library as new as here.
static:
	scripts/deps.sh build deb
	scripts/static.sh build-static

clean:
	rm -rf build build-*
