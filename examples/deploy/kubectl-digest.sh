#!/bin/sh
# Prints the digest that every running pod was started with; nothing while they differ.
set -eu
kubectl get pods --selector "app=$1" --field-selector status.phase=Running \
  --output 'jsonpath={range .items[*]}{.spec.containers[0].env[?(@.name=="EBBGATE_DIGEST")].value}{"\n"}{end}' |
  sort -u | awk 'NR == 1 { digest = $0 } END { if (NR == 1) print digest }'
