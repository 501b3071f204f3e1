#!/bin/sh
# bench_chat.sh - CPU time of the daemon per delivered chat message, beside a bare epoll loop that
# does nothing else (floor_chat). Both on free ports of this machine, in one run, taking turns.
#
#   PLAZAD  the daemon (src/plazad)
#   BENCH   where floor_chat and bench_chat are (tests/bench)
#   further arguments go to bench_chat, once for each of its usual loads without any
set -eu

PLAZAD=${PLAZAD:-src/plazad}
BENCH=${BENCH:-tests/bench}
dir=$(mktemp -d)
floor=
daemon=

stop() {
	[ -z "$floor" ] || kill "$floor" 2>/dev/null || :
	[ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon"; } || :
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 1' INT TERM

# Waits for what `$1` prints of `$2`, for at most 10 s.
wait_for() {
	tries=0
	until found=$(sed -nE "$1" "$2" | head -n 1) && [ -n "$found" ]; do
		tries=$((tries + 1))
		[ "$tries" -le 100 ] || {
			echo "bench_chat.sh: nothing came up:" >&2
			cat "$2" >&2
			exit 1
		}
		sleep 0.1
	done
	echo "$found"
}

"$BENCH/floor_chat" >"$dir/floor" &
floor=$!
: >"$dir/log"
: >"$dir/conf"
# one worker: what is measured is the delivering, by one process as in the floor
"$PLAZAD" -c "$dir/conf" -o server.listen=127.0.0.1:0 -o server.workers=1 2>"$dir/log" &
daemon=$!
floor_port=$(wait_for 's/^([0-9]+)$/\1/p' "$dir/floor")
port=$(wait_for 's/.*READY:.* 127\.0\.0\.1:([0-9]+).*/\1/p' "$dir/log")
worker=$(tr ' ' '\n' <"/proc/$daemon/task/$daemon/children" | head -n 1)

run() {
	"$BENCH/bench_chat" "$@" "floor:$floor_port:$floor" "plazad:$port:$worker"
}

if [ $# -gt 0 ]; then
	run "$@"
else
	run -m 100 -k 16 -n 500
	run -m 1000 -k 8 -n 100
	run -m 1000 -k 64 -n 50
fi
