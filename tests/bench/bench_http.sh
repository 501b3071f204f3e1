#!/bin/bash
# bench_http.sh - CPU per request of the front door, against the bare epoll loop (floor_http.c).
#
# Both serve in one process on one CPU, wrk runs on another; what counts is the server's own CPU
# time from /proc/PID/stat, not requests a second. The two take turns, and the ratio is that of
# their best rounds: other work on the machine only ever makes a round dearer.
#
#   PLAZAD=src/plazad FLOOR=tests/bench/floor_http tests/bench/bench_http.sh [ROUNDS [SECONDS]]
set -euo pipefail

plazad=${PLAZAD:-src/plazad}
floor=${FLOOR:-tests/bench/floor_http}
rounds=${1:-6}
seconds=${2:-2}
dir=$(mktemp -d)
pids=()

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	rm -rf "$dir"
}
trap cleanup EXIT

need() {
	command -v "$1" >/dev/null || {
		echo "bench_http.sh: no $1: apt-get install $2" >&2
		exit 1
	}
}
need wrk wrk
need taskset util-linux
need curl curl

# the first and the last CPU that we may use; with only one, wrk shares it and the ratio still holds
cpus=$(taskset -cp $$ | sed 's/.*: //; s/[,-]/ /g')
server_cpu=${cpus%% *}
wrk_cpu=${cpus##* }

# wait_for FILE: until it has a line
wait_for() {
	for _ in $(seq 200); do
		[ -s "$1" ] && return
		sleep 0.05
	done
	echo "bench_http.sh: $1 stays empty" >&2
	cat "$dir"/*.log >&2
	exit 1
}

# a port that was free a moment ago
free_port() {
	"$floor" 166 >"$dir/probe" &
	local pid=$!
	wait_for "$dir/probe"
	cat "$dir/probe"
	kill "$pid"
	wait "$pid" 2>/dev/null || :
}

ours_port=$(free_port)
: >"$dir/plaza.conf"
taskset -c "$server_cpu" "$plazad" -c "$dir/plaza.conf" -o server.workers=1 \
	-o server.listen=127.0.0.1:"$ours_port" -o store.database= 2>"$dir/plazad.log" &
pids+=($!)
for _ in $(seq 200); do
	curl -fs -o /dev/null "http://127.0.0.1:$ours_port/health" && break
	sleep 0.05
done
length=$(curl -fsi "http://127.0.0.1:$ours_port/" | wc -c) || {
	cat "$dir/plazad.log" >&2
	exit 1
}
ours_pid=$(pgrep -P "${pids[0]}" | head -n 1)

taskset -c "$server_cpu" "$floor" "$length" >"$dir/floor_port" &
pids+=($!)
floor_pid=$!
wait_for "$dir/floor_port"
floor_port=$(cat "$dir/floor_port")

cat >"$dir/pipelined.lua" <<'LUA'
init = function(args)
	local requests = {}
	for i = 1, 16 do requests[i] = wrk.format() end
	batch = table.concat(requests)
end
request = function() return batch end
LUA

ticks() {
	sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13}'
}

# round PID PORT CONNECTIONS [WRK OPTION...]: nanoseconds of CPU per request
round() {
	local pid=$1 port=$2 connections=$3 before after requests
	shift 3
	before=$(ticks "$pid")
	requests=$(taskset -c "$wrk_cpu" wrk -t 1 -c "$connections" -d "${seconds}s" "$@" \
		"http://127.0.0.1:$port/" | awk '/requests in/ {print $1}')
	after=$(ticks "$pid")
	awk -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -v n="$requests" \
		'BEGIN {printf "%.0f\n", t / hz * 1e9 / n}'
}

# best FILE: the smallest number in it
best() {
	sort -n "$1" | head -n 1
}

# row NAME CONNECTIONS [WRK OPTION...]
row() {
	local name=$1 i a b
	shift
	: >"$dir/a"
	: >"$dir/b"
	for ((i = 0; i < rounds; i++)); do
		round "$floor_pid" "$floor_port" "$@" >>"$dir/a"
		round "$ours_pid" "$ours_port" "$@" >>"$dir/b"
	done
	a=$(best "$dir/a")
	b=$(best "$dir/b")
	awk -v name="$name" -v a="$a" -v b="$b" \
		'BEGIN {printf "%-38s %8d %8d %6.2f\n", name, a, b, b / a}'
}

printf '%-38s %8s %8s %6s\n' 'GET /, keep-alive (CPU ns per request)' floor plazad ratio
row '64 connections' 64
row '1000 connections' 1000
row '64 connections, pipelined by 16' 64 -s "$dir/pipelined.lua"
