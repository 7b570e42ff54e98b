#!/bin/sh
# Install the JavaScript clients that tests/e2e/clients runs, as their lock file has them. Nothing is done when they are there already.
set -eu
cd "$(dirname "$0")/e2e/clients/node"
command -v npm >/dev/null 2>&1 || exit 0
if [ ! -e node_modules/.installed ] || [ package-lock.json -nt node_modules/.installed ]; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || {
        echo "npm could not install the JavaScript clients: their tests in tests/e2e/clients will be left out"
        rm -rf node_modules
        exit 0
    }
    touch node_modules/.installed
fi
