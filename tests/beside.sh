#!/bin/sh
# Run two commands at once: the first as if it were alone, the second in what it leaves of the processors. Both are to succeed.
# Usage: sh tests/beside.sh 'FIRST COMMAND' 'SECOND COMMAND'. What the second says comes when both have ended.
set -eu
# Linux shares out processors among sessions first (autogroup), then within each: the second has a session of its own, and both are low.
modest='{ echo 19 >/proc/self/autogroup; } 2>/dev/null
chrt --idle 0 true 2>/dev/null && exec chrt --idle 0 sh -c "exec $1"
exec nice -n 19 sh -c "exec $1"'
said=$(mktemp)
$(command -v setsid || true) sh -c "$modest" sh "$2" >"$said" 2>&1 &
second=$!
trap 'kill "$second" 2>/dev/null || true; rm -f "$said"' EXIT
trap 'exit 130' INT TERM

status=0
sh -c "exec $1" || status=$?
# Now it is the only one, with what it started. Not everybody may raise them again; then they go on as they are.
{ echo 0 >"/proc/$second/autogroup"; } 2>/dev/null || true
for pid in "$second" $(ps -o pid= --ppid "$second" 2>/dev/null); do
    chrt --all-tasks --other --pid 0 "$pid" >/dev/null 2>&1 || true
done
wait "$second" || status=$?
trap 'rm -f "$said"' EXIT
cat "$said"
exit "$status"
