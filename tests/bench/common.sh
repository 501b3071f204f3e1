# shellcheck shell=bash disable=SC2034 # for those who source this
# common.sh - what the scripts of the benchmarks share: where everything runs, servers that are
# started and ended, verdicts. Sourced; nothing is started here.
#
#   PLAZAD  the daemon (src/plazad)
#   BENCH   where the programs of this folder are (tests/bench)

plazad=${PLAZAD:-src/plazad}
bench=${BENCH:-tests/bench}
dir=$(mktemp -d)
pids=()
session_nice= # as it was

# Ends process $1 and waits until it is gone.
end() {
	kill "$1" 2>/dev/null || return 0
	wait "$1" 2>/dev/null || :
}

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	trap '' INT TERM HUP
	for pid in "${pids[@]}"; do
		end "$pid"
	done
	[ -z "$session_nice" ] || echo "$session_nice" >/proc/self/autogroup
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

need() {
	command -v "$1" >/dev/null || die "no $1: apt-get install $2"
}
PATH=$PATH:/usr/sbin

# wait_for WHAT COMMAND...: until it succeeds, for at most 10 s
wait_for() {
	local what=$1
	shift
	for _ in {1..200}; do
		"$@" >/dev/null 2>&1 && return
		sleep 0.05
	done
	cat "$dir"/*.log >&2
	die "$what does not come up"
}

# ---- where everything runs ----

# the first and the last CPU that we may use; with only one, the load shares it
need taskset util-linux
cpus=$(taskset -cp $$ | sed 's/.*: //; s/[,-]/ /g')
on_server=(taskset -c "${cpus%% *}")
on_load=(taskset -c "${cpus##* }")
may_prefer=
# who may, has both preferred to what else runs
if nice -n -10 true 2>/dev/null; then
	may_prefer=1
	on_server+=(nice -n -10)
	on_load+=(nice -n -10)
	# with autogroups (sched(7)) that counts within a session only, so prefer the whole of it, too
	if [ "$(cat /proc/sys/kernel/sched_autogroup_enabled 2>/dev/null)" = 1 ]; then
		session_nice=$(sed 's/.* //' /proc/self/autogroup)
		echo -10 >/proc/self/autogroup
	fi
fi

# Latencies tell of other work long before CPU times do: as far as we may, nothing else runs.
prefer_all() {
	[ -n "$may_prefer" ] || return 0
	on_load+=(nice -n -10)
	[ -z "$session_nice" ] || echo -20 >/proc/self/autogroup
}

# files_for N: as many descriptors as the hard limit gives, and more than that if root calls;
# prints how many of N a process may have
files_for() {
	ulimit -n $(($1 + 1000)) 2>/dev/null || ulimit -Sn "$(ulimit -Hn)"
	files=$(ulimit -n)
	[ "$files" != unlimited ] || files=$(($1 + 1000))
	many=$1
	[ "$files" -ge $((many + 500)) ] || many=$((files - 500))
}

# ---- the servers: each has a port, and processes whose time counts ----

declare -A port pid

free_port() {
	"$bench/floor_http" 166 >"$dir/probe" &
	wait_for 'a free port' test -s "$dir/probe"
	cat "$dir/probe"
	end $!
	rm "$dir/probe"
}

# children_of PID: "PID,PID"
children_of() {
	tr ' ' '\n' <"/proc/$1/task/$1/children" | grep . | paste -sd ,
}

: >"$dir/plaza.conf"

# start_plazad NAME [OPTION...]: an access log goes to a file
start_plazad() {
	local name=$1
	shift
	"${on_server[@]}" "$plazad" -c "$dir/plaza.conf" -o server.workers=1 \
		-o server.listen=127.0.0.1:0 -o store.database= "$@" >>"$dir/$name.access" 2>"$dir/$name.log" &
	pids+=($!)
	wait_for "$name" grep -q READY: "$dir/$name.log"
	port[$name]=$(sed -nE 's/.*READY:.* 127\.0\.0\.1:([0-9]+).*/\1/p' "$dir/$name.log")
	pid[$name]=$(children_of $!)
}

# start_printing NAME COMMAND...: one that prints its port
start_printing() {
	local name=$1
	shift
	"${on_server[@]}" "$@" >"$dir/$name.port" 2>"$dir/$name.log" &
	pids+=($!)
	pid[$name]=$!
	wait_for "$name" test -s "$dir/$name.port"
	port[$name]=$(cat "$dir/$name.port")
}

# ---- what is printed ----

# best FILE: the smallest number in it, or nothing
best() {
	sort -n "$1" | head -n 1
}

# verdict OURS THEIRS ASKED: "0.71 (<= 1.00 ok)"
verdict() {
	if [ -z "$1" ] || [ -z "$2" ]; then
		printf '%s\n' "${3:+- (<= $3)}"
		return
	fi
	awk -v a="$1" -v b="$2" -v asked="$3" 'BEGIN {
		r = sprintf("%.2f", a / b)
		if (asked == "")
			printf "%s\n", r
		else
			printf "%s (<= %s %s)\n", r, asked, r + 0 <= asked + 0 ? "ok" : "MISSED"
	}'
}

# what each script says of the machine before its figures
say_machine() {
	echo "$1: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) CPUs, Linux $(uname -r), $(date -u +%F)"
	echo "  Load average now $(cut -d ' ' -f 1 /proc/loadavg): what else runs costs all of them; run it on a machine at rest."
}
