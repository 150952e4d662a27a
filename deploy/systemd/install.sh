#!/usr/bin/env bash
# Installs the units beside this file with their user, settings and a token. Settings and tokens that are there stay.
#
#   sudo ./install.sh
#   sudo systemctl enable --now orchestrator-endpoint
set -euo pipefail
cd "$(dirname "$0")"
[ "$(id -u)" = 0 ] || { echo "install.sh: run it as root" >&2; exit 1; }
getent passwd orchestrator > /dev/null ||
  useradd --system --user-group --home-dir /var/lib/orchestrator --shell /usr/sbin/nologin orchestrator
install --directory --mode 0755 /etc/orchestrator
# they may hold passwords
for name in *.env; do
  [ -e "/etc/orchestrator/$name" ] || install --mode 0640 --group orchestrator "$name" /etc/orchestrator/
done
# an endpoint takes only tokens that belong to its own user, and that nobody else can read
if [ ! -s /etc/orchestrator/tokens ]; then
  install --mode 0600 --owner orchestrator --group orchestrator /dev/null /etc/orchestrator/tokens
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > /etc/orchestrator/tokens
fi
install --mode 0644 ./*.service /etc/systemd/system/
systemctl daemon-reload
