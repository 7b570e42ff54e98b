#!/bin/sh
# End the process that runs, and wait until it is gone: 10 s for what it has under way, then by force.
set -eu
shared=${EBBGATE_SHARED:-./deployed/shared}
[ -f "$shared/app.pid" ] || exit 0
pid=$(cat "$shared/app.pid")
tries=0
kill "$pid" 2>/dev/null || true
while kill -0 "$pid" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || kill -9 "$pid" 2>/dev/null || true
    sleep 0.05
done
rm -f "$shared/app.pid"
