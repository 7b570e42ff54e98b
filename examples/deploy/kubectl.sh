#!/bin/sh
# A command target for Kubernetes: the release's tag names the image; the digest goes to the pods as a variable, which the
# app tells again at /version. Needs kubectl with a context, and images pushed under the release's version.
#
#   deploy:
#     to: {command: "examples/deploy/kubectl.sh shop registry.example.com/shop"}
#     version: {run: "examples/deploy/kubectl-digest.sh shop"}
#     timeout: 10m
#
# Called twice for one release it changes nothing the second time.
set -eu
deployment=$1 image=$2
kubectl set env "deployment/$deployment" "EBBGATE_DIGEST=$EBBGATE_DIGEST"
kubectl set image "deployment/$deployment" "$deployment=$image:$EBBGATE_VERSION"
kubectl rollout status "deployment/$deployment" --timeout=5m
