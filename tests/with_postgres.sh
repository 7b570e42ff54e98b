#!/bin/sh
# Run a command with a PostgreSQL of its own, if the machine has one: a cluster in a temporary folder, on a socket there.
# Without PostgreSQL the command runs all the same, and the tests that need it say that they are left out.
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] && [ -x "$bin/initdb" ] || exec "$@"

home=$(mktemp -d)
as=""
if [ "$(id -u)" = 0 ]; then # initdb refuses to run as root
    chown postgres "$home"
    as="setpriv --reuid=postgres --regid=postgres --clear-groups"
fi
stop() {
    (cd "$home" && $as "$bin/pg_ctl" -D "$home/data" -m immediate -w stop >/dev/null 2>&1) || true
    rm -rf "$home"
}
trap stop EXIT INT TERM
cd_home() { cd "$home" && "$@"; }
(cd_home $as "$bin/initdb" -D "$home/data" -U ebbgate -A trust --no-sync >/dev/null)
(cd_home $as "$bin/pg_ctl" -D "$home/data" -w -l "$home/log" -o "-c listen_addresses='' -c unix_socket_directories='$home' -c fsync=off" start >/dev/null)
(cd_home $as "$bin/createdb" -h "$home" -U ebbgate ebbgate)
EBBGATE_TEST_POSTGRES_URL="postgresql+psycopg://ebbgate@/ebbgate?host=$home" "$@"
