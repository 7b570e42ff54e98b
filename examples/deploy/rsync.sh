#!/bin/sh
# A command target over SSH: the release is unpacked on the other machine beside the others, then switched by rename.
#
#   deploy:
#     to: {command: "examples/deploy/rsync.sh web-1.example.com /srv/shop"}
#     health: https://web-1.example.com/health
#     version: https://web-1.example.com/version
#
# ebbgate calls it for the way there and for the way back; called twice for one release it changes nothing the second time.
set -eu
host=$1 top=$2
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
tar -xf "$EBBGATE_ARTIFACT" -C "$unpacked"
printf '{"digest": "%s", "version": "%s"}\n' "$EBBGATE_DIGEST" "$EBBGATE_VERSION" > "$unpacked/.ebbgate-release.json"
ssh "$host" "mkdir -p '$top/releases'"
rsync --archive --checksum --delete "$unpacked/" "$host:$top/releases/$EBBGATE_VERSION/"
ssh "$host" "ln -sfn 'releases/$EBBGATE_VERSION' '$top/.current.new' && mv -T '$top/.current.new' '$top/current' && systemctl --user restart shop"
