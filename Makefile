# What a person does here most. Everything else is `cargo` and `cdp --help`.

CARGO ?= cargo
CDP := target/debug/cdp
DEMO := .cache/demo

.DEFAULT_GOAL := help
.PHONY: help run test bench bench-aws lint deploy deploy-local

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: ## build, run a sample deployment, send it real data, say what to try; Ctrl-C stops it
	$(CARGO) build --bin cdp
	events/demo $(CDP) $(DEMO)

test: ## unit, road, simulation and live tests, with what they need; ends with a summary
	tests/run

LABELLED := .cache/labelled
HARD := .cache/hard
FIGURES := .cache/figures
BENCH := target/release/cdp bench
# Ten million profiles take some 20 minutes: make bench PEOPLE=10000000
PEOPLE := 1000000

bench: $(LABELLED)/events.jsonl $(HARD)/events.jsonl ## how fast this machine is, and how well it stitches (builds a release)
	$(CARGO) build --release --bin cdp
	$(BENCH) parse --events $(LABELLED)/events.jsonl --json $(FIGURES)/parse.json
	$(BENCH) road --events $(LABELLED)/events.jsonl --json $(FIGURES)/road.json
	$(BENCH) http --events $(LABELLED)/events.jsonl --json $(FIGURES)/http.json
	$(BENCH) http --events $(LABELLED)/events.jsonl --rate 50000 --json $(FIGURES)/http-50000.json
	$(BENCH) lookup --rate 5000 --json $(FIGURES)/lookup.json
	$(BENCH) profiles --people $(PEOPLE) --json $(FIGURES)/profiles.json
	$(BENCH) identity --events $(HARD)/events.jsonl --truth $(HARD)/truth.csv --json $(FIGURES)/identity.json

$(LABELLED)/events.jsonl:
	python3 events/clickstream/generate.py --events 1000000 --people 60000 --seed 7 --out $(LABELLED)

$(HARD)/events.jsonl:
	python3 events/clickstream/generate.py --events 200000 --people 12000 --seed 7 --share 3 --junk 0.01 --out $(HARD)

AWS_PYTHON := $(or $(CDP_AWS_PYTHON),tests/live/aws/.venv/bin/python)
FUNCTIONS := $(CARGO) build --profile lambda --bins --package 'fn-*'

bench-aws: $(LABELLED)/events.jsonl ## how fast functions start, and what they consume on AWS (an emulator's; 5 min, and the build before it); cdp cost reads it
	$(FUNCTIONS)
	infra/install
	infra/emulator install
	$(AWS_PYTHON) tests/bench/start.py
	$(AWS_PYTHON) tests/bench/aws.py --toml crates/cdp-cost/src/consumption.toml

lint: ## format, clippy, licences and advisories
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --workspace --test aws -- -D warnings
	tests/deny

# Of which deployment: a folder that `cdp init` made. More for cdk: make deploy DIR=my-shop CDK="-c stage=prod"
DIR ?=
CDK ?=

deploy: ## to your AWS account: make deploy DIR=my-shop
	@[ -n "$(DIR)" ] || { echo "say which deployment, a folder that \`cdp init\` made: make deploy DIR=my-shop" >&2; exit 2; }
	@[ -f "$(DIR)/cdp.toml" ] || { echo "$(DIR) is no deployment: it has no cdp.toml. \`cdp init $(DIR)\` makes one" >&2; exit 2; }
	@infra/package target >/dev/null
	$(CARGO) build --bin cdp
	$(CDP) check --dir $(DIR)
	$(FUNCTIONS) $$(infra/package target)
	CDP=$(CDP) CDP_DIR=$(DIR) infra/deploy $(CDK)

deploy-local: DIR := $(or $(DIR),.cache/aws/shop)
deploy-local: ## to an emulator on this machine, without an account; infra/emulator stop ends it
	$(CARGO) build --workspace --bins
	[ -f $(DIR)/cdp.toml ] || $(CDP) init $(DIR)
	infra/emulator start
	CDP=$(CDP) CDP_PROFILE=debug CDP_DIR=$(DIR) infra/deploy --emulator $(CDK)
