# What people type; everything real is in CMake, ctest and .ci/. `make help` lists it.
PREFIX ?= /usr/local
DESTDIR ?=
BINARIES := banger bangerd banger-vsock-agent banger-vmm-launcher banger-make-bundle
CTEST := ctest --preset

.PHONY: help run test test-long asan tsan build lint bench install uninstall clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z -]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

run: ## install what is needed, build, and run a command in a real VM
	@.ci/packages build
	@$(MAKE) --no-print-directory build
	@.ci/make-run build/release

test: ## install what is needed, build, and run every test but the long ones
	@.ci/packages test
	cmake --preset dev
	cmake --build --preset dev
	$(CTEST) dev -LE long

test-long: ## the tests that take minutes each, fuzzing among them
	@.ci/packages test
	cmake --preset dev
	cmake --build --preset dev
	$(CTEST) dev -L long
	cmake --preset fuzz
	cmake --build --preset fuzz --target fuzzers
	$(CTEST) fuzz -L fuzz

asan tsan: ## unit and integration tests under a sanitizer
	@.ci/packages test
	cmake --preset $@
	cmake --build --preset $@
	$(CTEST) $@ -L 'unit|integration' -LE long

build: ## the release binaries in build/release
	cmake --preset release
	cmake --build --preset release --target $(BINARIES)

lint: ## formatting, clang-tidy, shellcheck and the project's own rules
	@.ci/packages test
	@.ci/lint

bench: build ## measure this machine; prints medians and ratios; as root also pulls, into docs/benchmarks.md
	@.ci/packages bench
	cmake --build --preset release --target pull_stages
	test/bench/run
	test/bench/life
	test/bench/bundle
	[ "$$(id -u)" -ne 0 ] || test/bench/pull --write docs/benchmarks.md

install: build ## PREFIX=/usr/local, DESTDIR=
	DESTDIR=$(DESTDIR) cmake --install build/release --prefix $(PREFIX)

uninstall: ## what install put there; images, kernels and VMs stay
	rm -f $(DESTDIR)$(PREFIX)/bin/banger $(DESTDIR)$(PREFIX)/bin/bangerd
	rm -rf $(DESTDIR)$(PREFIX)/libexec/banger
	rm -f $(DESTDIR)$(PREFIX)/lib/systemd/user/bangerd.service
	rm -f $(DESTDIR)$(PREFIX)/lib/systemd/user/bangerd.socket

clean: ## remove build/
	rm -rf build
