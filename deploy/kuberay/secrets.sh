#!/usr/bin/env bash
# Writes the secrets of the namespace with values drawn at random, as objects of Kubernetes, to standard output:
#
#   ./secrets.sh | kubectl create -f -          # once; what is there already is left as it is
#
# AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the caller are an object store that there is; without them
# keys are drawn for the one of overlays/laptop. Ray's tokens are not among these: the operator makes one for each cluster.
set -euo pipefail
# 32 random bytes, as 64 letters and digits
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
quoted() { printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e '1s/^/"/' -e '$s/$/"/'; }
secret() {
  printf -- '---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: %s\n  namespace: orchestrator\nstringData:\n' "$1"
  shift
  while [ $# -gt 0 ]; do printf '  %s: %s\n' "$1" "$(quoted "$2")"; shift 2; done
}
secret postgres password "$(random)"
secret redis password "$(random)"
# a token a line; to add or take back one, edit the Secret: replicas read it again
secret endpoint-tokens tokens "$(random)"
secret object-store \
  AWS_ENDPOINT_URL "${AWS_ENDPOINT_URL:-http://s3:9000}" \
  AWS_DEFAULT_REGION "${AWS_DEFAULT_REGION:-us-east-1}" \
  AWS_ACCESS_KEY_ID "${AWS_ACCESS_KEY_ID:-$(random)}" \
  AWS_SECRET_ACCESS_KEY "${AWS_SECRET_ACCESS_KEY:-$(random)}"
