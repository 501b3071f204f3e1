#!/bin/sh
# unit.sh - systemd/plazad.service is correct for systemd, with the daemon that was built in its
# ExecStart, and leaves little to attack (systemd-analyze security below 2.0).
set -eu
cd "${srcdir:-.}"

command -v systemd-analyze >/dev/null || {
	echo "no systemd-analyze: apt-get install systemd" >&2
	exit 1
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unit=$dir/plazad.service
# verify wants to find what ExecStart names; a script will do where nothing is built yet
plazad=${PLAZAD:-$PWD/src/plazad}
[ -x "$plazad" ] || plazad=/bin/true
sed "s|/usr/sbin/plazad|$plazad|" systemd/plazad.service >"$unit"
grep -q "^ExecStart=$plazad" "$unit" || {
	echo "plazad.service: ExecStart does not start with /usr/sbin/plazad" >&2
	exit 1
}
# it also reads the units of this machine that ours names; only what it says of ours counts
SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$unit" 2>"$dir/verify" || :
if grep -F plazad "$dir/verify"; then
	exit 1
fi
systemd-analyze security --offline=true --threshold=20 --no-pager "$unit" >"$dir/security" || {
	cat "$dir/security"
	echo "plazad.service: exposure is to be at most 2.0" >&2
	exit 1
}
tail -n 1 "$dir/security"
