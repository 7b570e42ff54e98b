#!/bin/sh
# Start the release in this folder in the background. What outlives a release lies in the shared folder: the process id,
# the log, and app.env with the address of the flags and the token, which belong in no repository.
set -eu
shared=${EBBGATE_SHARED:-./deployed/shared}
mkdir -p "$shared"
if [ -f "$shared/app.env" ]; then
    set -a
    . "$shared/app.env"
    set +a
fi
if [ -f "$shared/app.pid" ] && kill -0 "$(cat "$shared/app.pid")" 2>/dev/null; then
    echo "it runs already, as process $(cat "$shared/app.pid")" >&2
    exit 1
fi
node dist/server.mjs >>"$shared/app.log" 2>&1 </dev/null &
echo $! >"$shared/app.pid"
