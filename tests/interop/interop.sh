#!/bin/sh
# interop.sh - WebSocket libraries of others against the daemon, with compression off and on: npm's
# ws, Debian's python3-websockets, and the client of libwebsockets, which plazactl is made of. What
# comes from npm goes below the build directory, of the version in package-lock.json.
set -eu
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-.}" && pwd)
plazad=${PLAZAD:-$builddir/src/plazad}
plazactl=${PLAZACTL:-$builddir/src/plazactl}
here=$srcdir/tests/interop

for tool in node npm; do
	command -v $tool >/dev/null || {
		echo "no $tool: apt-get install nodejs npm" >&2
		exit 1
	}
done
# Debian's, whatever else is first in PATH
/usr/bin/python3 -c 'import websockets' || {
	echo "no websockets: apt-get install python3-websockets" >&2
	exit 1
}
modules=$builddir/var/interop
mkdir -p "$modules"
if ! cmp -s "$here/package-lock.json" "$modules/installed.json"; then
	rm -rf "$modules/node_modules" "$modules/installed.json"
	cp "$here/package.json" "$here/package-lock.json" "$modules"
	(cd "$modules" && timeout -k 5 120 npm ci --prefer-offline --no-audit --no-fund --ignore-scripts \
		>"$modules/npm.log" 2>&1 </dev/null) || {
		cat "$modules/npm.log"
		echo 'npm has not brought ws' >&2
		# no network is no mistake of ours
		exit 77
	}
	cp "$modules/package-lock.json" "$modules/installed.json"
fi

dir=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" || :; rm -rf "$dir"' EXIT
# workers of a root daemon are nobody
chmod 755 "$dir"
: >"$dir/plaza.conf"

status=0
run()
{
	if timeout -k 5 120 "$@" >"$dir/out" 2>&1; then
		echo "ok - ${1##*/} ${2##*/}, compression $COMPRESSION"
	else
		echo "not ok - ${1##*/} ${2##*/}, compression $COMPRESSION"
		cat "$dir/out"
		status=1
	fi
}
ask_plazactl()
{
	answers=$(printf 'one\n\ntwo 太郎\n' | timeout 20 "$plazactl" ws "ws://127.0.0.1:$PORT/echo")
	[ "$answers" = "$(printf 'Server received: one\nServer received: \nServer received: two 太郎')" ] || {
		echo "plazactl ws: $answers"
		return 1
	}
}

for COMPRESSION in off on; do
	: >"$dir/log"
	"$plazad" -c "$dir/plaza.conf" -o server.listen=127.0.0.1:0 -o server.workers=2 \
		-o chat.compression=$COMPRESSION 2>"$dir/log" &
	daemon=$!
	PORT=
	for _ in $(seq 200); do
		PORT=$(sed -n 's/.*READY: .*listening on 127\.0\.0\.1:\([0-9]*\);.*/\1/p' "$dir/log")
		[ -z "$PORT" ] || break
		sleep 0.05
	done
	[ -n "$PORT" ] || {
		cat "$dir/log"
		exit 1
	}
	export COMPRESSION PORT
	MODULES=$modules run node "$here/client_ws.mjs"
	run /usr/bin/python3 "$here/client_websockets.py"
	if ask_plazactl; then
		echo "ok - plazactl ws, compression $COMPRESSION"
	else
		status=1
	fi
	kill "$daemon"
	wait "$daemon" || status=1
	daemon=
	[ $status -eq 0 ] || cat "$dir/log"
done
exit $status
