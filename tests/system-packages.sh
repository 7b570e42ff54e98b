#!/bin/sh
# Get what some tests need from Debian: PostgreSQL. Without it, or without the right to install it, those tests say that they are left out.
set -eu
have_postgres() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
if have_postgres; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing Debian's postgresql for the tests that need it"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -qy --no-install-recommends postgresql; } >/dev/null 2>&1 || true
fi
have_postgres || echo "no PostgreSQL here: the tests marked 'external' will be left out"
