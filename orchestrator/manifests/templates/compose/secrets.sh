#!/usr/bin/env bash
# Makes the secrets of compose.yaml that are not there yet, in the folder secrets beside this file. To change one, remove its
# file, run this again and start what uses it again; endpoint_tokens may be edited at any time: a token a line.
set -euo pipefail
umask 077
mkdir -p "$(dirname "$0")/secrets"
cd "$(dirname "$0")/secrets"

# 32 random bytes, as 64 letters and digits
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
for name in ray_token postgres_password grafana_password s3_access_key s3_secret_key prometheus_token; do
  [ -s "$name" ] || random > "$name"
done
[ -s endpoint_tokens ] || printf '%s\n%s\n' "$(random)" "$(cat prometheus_token)" > endpoint_tokens
[ -s s3_credentials ] || printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' \
  "$(cat s3_access_key)" "$(cat s3_secret_key)" > s3_credentials

# nobody else can enter this folder; in the containers users differ, and a container sees only the files that it is given
chmod 644 ./*
# but for this one: an endpoint takes no tokens that others may read
chmod 600 endpoint_tokens
if [ "$(stat -c %u endpoint_tokens)" != 1000 ]; then
  chown 1000:1000 endpoint_tokens 2> /dev/null ||
    { echo "secrets.sh: the image's user must own the endpoint's tokens: sudo chown 1000:1000 $PWD/endpoint_tokens" >&2; exit 1; }
fi
