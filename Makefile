.DEFAULT_GOAL := help
.PHONY: help up down test node chromium

keymgmt = node --require ts-node/register/transpile-only cli/keymgmt.ts
# npm writes it at the end of an installation.
installed = node_modules/.package-lock.json

help: ## what can be made
	@sed -n 's/^\([a-z_]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

up: node_modules ## install what is needed, start the local Azure, bring stack dev up
	@$(keymgmt) up

down: node_modules ## stop the local Azure and remove what it and stack dev hold
	@$(keymgmt) down

test: node_modules chromium ## all tests and checks
	@npm run --silent format:check
	@npm run --silent lint
	@npm run --silent typecheck
	@$(keymgmt) engine
	@npm test --silent

chromium: ## the browser that the local Azure's page is tried in
	@[ -n "$$CHROMIUM_PATH" ] && exit 0; \
	for browser in chromium chromium-browser google-chrome; do command -v $$browser >/dev/null && exit 0; done; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq chromium; \
	else echo "Chromium isn't installed: install it (Debian: apt-get install chromium), or set CHROMIUM_PATH to a Chromium or Chrome." >&2; exit 1; fi

node_modules: $(installed) ## the packages of package-lock.json

$(installed): package-lock.json | node
	npm ci
	@touch $@

node:
	@command -v node >/dev/null || { echo "Node.js isn't installed: install version 20.19 or newer (https://nodejs.org/)." >&2; exit 1; }
	@node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' \
	|| { echo "Node.js $$(node --version) is too old: install version 20.19 or newer (https://nodejs.org/)." >&2; exit 1; }
