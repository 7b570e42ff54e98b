#!/bin/sh
# Get what some tests need from Debian: PostgreSQL, node and Chromium. Without them, or without the right to install them, those tests are
# left out, and named with the reason at the end of the run (tests/conftest.py).
set -eu
have_postgres() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
have_node() { command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; }
have_chromium() { [ -x /usr/bin/chromium ]; }

wanted=""
have_postgres || wanted="$wanted postgresql"
have_node || wanted="$wanted nodejs npm"
have_chromium || wanted="$wanted chromium"
if [ -n "$wanted" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing Debian's$wanted for the tests that need it"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >/dev/null 2>&1 || true
    for package in $wanted; do apt-get install -qy --no-install-recommends "$package" >/dev/null 2>&1 || true; done
fi
have_postgres || echo "no PostgreSQL here: the tests marked 'external' will be left out"
have_node || echo "no node and npm here: the JavaScript clients of tests/e2e/clients and the builds of tests/e2e/release will be left out"
have_chromium || echo "no /usr/bin/chromium here: the browser's tests of tests/e2e/clients will be left out"
