#!/bin/sh
# The agent's systemd unit is right, and open to less than systemd's own scale calls 2.0 of 10 (what is left is that it
# talks to the network).
set -u
most=20
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
command -v systemd-analyze >/dev/null || { echo "no systemd-analyze here"; exit 77; }
sed 's|^ExecStart=/usr/bin/dgon-agent|ExecStart=/bin/true|' "$top_srcdir/conf/dgon-agent.service" >"$tmp/dgon-agent.service"
grep -q '^ExecStart=/bin/true ' "$tmp/dgon-agent.service" || { echo "the unit starts something else"; exit 1; }
systemd-analyze --man=no verify "$tmp/dgon-agent.service" >"$tmp/verify" 2>&1 || { cat "$tmp/verify"; exit 1; }
grep dgon-agent "$tmp/verify" && exit 1 # warnings
systemd-analyze security --offline=yes --threshold="$most" --no-pager "$tmp/dgon-agent.service" >"$tmp/security"
status=$?
grep -E '^✗|→' "$tmp/security" || exit 1
exit "$status"
