.DEFAULT_GOAL := help
.PHONY: help up down test node

keymgmt = node --require ts-node/register/transpile-only cli/keymgmt.ts
# npm writes it at the end of an installation.
installed = node_modules/.package-lock.json

help: ## what can be made
	@sed -n 's/^\([a-z_]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

up: node_modules ## install what is needed, start the local Azure, bring stack dev up
	@$(keymgmt) up

down: node_modules ## stop the local Azure and remove what it and stack dev hold
	@$(keymgmt) down

test: node_modules ## all tests and checks
	@npm run --silent format:check
	@npm run --silent lint
	@npm run --silent typecheck
	@$(keymgmt) engine
	@npm test --silent

node_modules: $(installed) ## the packages of package-lock.json

$(installed): package-lock.json | node
	npm ci
	@touch $@

node:
	@command -v node >/dev/null || { echo "Node.js isn't installed: install version 20.19 or newer (https://nodejs.org/)." >&2; exit 1; }
	@node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' \
	|| { echo "Node.js $$(node --version) is too old: install version 20.19 or newer (https://nodejs.org/)." >&2; exit 1; }
