# make demo    replay the bundled captures and explain each alert
# make test    everything a change must pass
# make bench   measure a whole replay beside peers; BENCH="--scale 0.1" for a short one
# make audit   advisories, licences and sources of every crate linked in (needs cargo-deny)
# make deps    install the system packages that building and testing need (Debian, Ubuntu)
# make clean   remove what was built

CARGO ?= cargo
BUILD_PACKAGES := build-essential libpcap-dev
TEST_PACKAGES := curl iproute2 nginx php-fpm prometheus python3 tcpdump tshark util-linux

.PHONY: demo test bench audit deps build-deps clean
.DEFAULT_GOAL := test

demo: build-deps
	@echo 'building tokentrail; the first time this takes some minutes'
	$(CARGO) build --release --locked
	@$(CARGO) run --release --locked --quiet -- demo

# The same properties are tried each time, so that one source gives one answer; without the seed,
# `cargo nextest run` looks further.
test: export PROPTEST_RNG_SEED ?= 1
test: deps
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) check --locked --lib --no-default-features
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		echo '$(CARGO) nextest run --locked' && $(CARGO) nextest run --locked; \
	else \
		echo '$(CARGO) test --locked' && $(CARGO) test --locked; \
	fi

bench: build-deps
	$(CARGO) build --release --locked
	$(CARGO) bench --locked --bench replay -- $(BENCH)

audit:
	$(CARGO) deny --locked check

build-deps:
	@scripts/install-packages $(BUILD_PACKAGES)

deps:
	@scripts/install-packages $(BUILD_PACKAGES) $(TEST_PACKAGES)

clean:
	$(CARGO) clean
