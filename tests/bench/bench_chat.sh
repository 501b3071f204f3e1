#!/bin/bash
# bench_chat.sh - the chat hub beside its peers: a bare epoll loop that joins messages and sends them
# in a bare loop of send() (floor_chat.c), Nchan, and broadcast() of python3-websockets. All in one
# run, each with one process on one CPU, the load generator on the other.
#
#   bench_chat.sh [all|quick|cost|workers|memory|latency]
#
# What it prints first is CPU time of the serving process per delivered message (bench_chat.c), not
# messages a second: servers take turns, and the ratio is that of their best rounds, since other work
# on the machine only ever makes a round dearer. Then two workers beside one, the memory of idle
# WebSockets (memory_chat.c), and latencies under a given rate (load_chat.c). Ratios that are asked
# for stand beside; a missed one does not fail the benchmark, which knows nothing of what else the
# machine does.
#
#   PLAZAD  the daemon (src/plazad)
#   BENCH   where the programs of this folder are (tests/bench)
#   ROUNDS, MS           of each row (6 of 200 ms)
#   TAIL_ROUNDS, TAIL_MS of each server's latencies (5 of 2000 ms)
set -euo pipefail

what=${1:-all}
quick=
[ "$what" != quick ] || quick=1
rounds=${ROUNDS:-${quick:+2}}
rounds=${rounds:-6}
ms=${MS:-${quick:+100}}
ms=${ms:-200}
tail_rounds=${TAIL_ROUNDS:-${quick:+1}}
tail_rounds=${tail_rounds:-5}
tail_ms=${TAIL_MS:-${quick:+1000}}
tail_ms=${tail_ms:-2000}
[[ $what =~ ^(all|quick|cost|workers|memory|latency)$ ]] || {
	sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"
need nginx nginx
nchan=/usr/lib/nginx/modules/ngx_nchan_module.so
[ -e "$nchan" ] || die "no $nchan: apt-get install libnginx-mod-nchan"
# Debian's, before any other in PATH
python=
for candidate in /usr/bin/python3 python3; do
	[ -n "$python" ] || ! "$candidate" -c 'import websockets' 2>/dev/null || python=$candidate
done
[ -n "$python" ] || die 'no module websockets of python3: apt-get install python3-websockets'
files_for 15000

# One worker, no access log, nothing stored, in a folder of its own.
start_nchan() {
	local name=$1
	port[$name]=$(free_port)
	mkdir "$dir/$name"
	chmod 755 "$dir"
	cat >"$dir/$name.conf" <<-END
		load_module $nchan;
		daemon off;
		worker_processes 1;
		worker_rlimit_nofile $files;
		pid $dir/$name/pid;
		error_log $dir/$name.log;
		events {
			worker_connections $((many * 5 / 4)); # with fewer left than a 16th it closes idle ones
			multi_accept on;
		}
		http {
			access_log off;
			tcp_nodelay on;
			client_body_temp_path $dir/$name/body;
			proxy_temp_path $dir/$name/proxy;
			fastcgi_temp_path $dir/$name/fastcgi;
			uwsgi_temp_path $dir/$name/uwsgi;
			scgi_temp_path $dir/$name/scgi;
			nchan_shared_memory_size 256m;
			server {
				listen 127.0.0.1:${port[$name]} backlog=4096;
				location ~ ^/chat/(\w+)\$ {
					nchan_pubsub websocket;
					nchan_channel_id \$1;
					nchan_store_messages off;
				}
			}
		}
	END
	"${on_server[@]}" nginx -p "$dir/$name" -c "$dir/$name.conf" 2>>"$dir/$name.log" &
	pids+=($!)
	wait_for "$name" bash -c "exec 3<>/dev/tcp/127.0.0.1/${port[$name]}"
	pid[$name]=$(children_of $!)
}

start_websockets() {
	start_printing "$1" "$python" "$(dirname "$0")/broadcast_websockets.py"
}

# start_chat NAME WORKERS: without pings, which the load generators do not answer
start_chat() {
	start_plazad "$1" -o server.workers="$2" -o chat.ping_interval=1h
}

# at NAME [MODE]: as the programs want it
at() {
	printf '%s%s:%s:%s' "$1" "${2-}" "${port[$1]}" "${pid[$1]}"
}

# Whether the daemon has JSON mode.
has_json() {
	"$bench/bench_chat" -m 2 -k 1 -d 1 -r 1 "$(at plazad /json)" >/dev/null 2>&1
}

# ---- CPU time per delivered message ----

# messages_row FILE MEMBERS BURST ASKED NAME...: the first is ours, the second what it is measured
# against
messages_row() {
	local file=$1 members=$2 burst=$3 asked=$4 name ns=() line
	shift 4
	for name in "$@"; do
		line=$(awk -v m="$members" -v k="$burst" -v name="$name" \
			'$1 == m && $2 == k && $3 == name { print $4, $5; exit }' "$file")
		ns+=("${line% *}")
	done
	printf '%-33s' "1 of $members members, $([ "$burst" = 1 ] && echo one at a time || echo "bursts of $burst")"
	for name in 1 0 2 3; do
		[ -z "${ns[$name]:-}" ] && printf ' %9s' - || printf ' %9.1f' "${ns[$name]}"
	done
	printf '  %s\n' "$(verdict "${ns[0]}" "${ns[1]}" "$asked")"
}

# measure FILE MEMBERS SERVER...
measure() {
	local file=$1 members=$2
	shift 2
	"${on_load[@]}" "$bench/bench_chat" -m "$members" -d "$ms" -r "$rounds" "$@" >>"$file"
}

costs() {
	local members k
	: >"$dir/cost"
	for members in 100 1000 5000; do
		measure "$dir/cost" "$members" "$(at floor)" "$(at plazad)" "$(at nchan)" "$(at websockets)"
	done
	printf '%-33s %9s %9s %9s %9s  %s\n' 'CPU ns per delivered message' floor plazad nchan websockets plazad/floor
	for k in 1 8 64; do
		for members in 100 1000 5000; do
			messages_row "$dir/cost" "$members" "$k" 1.15 plazad floor nchan websockets
		done
	done
	awk '$1 == 1000 && $2 > 1 {
			joined[$2] = joined[$2] sprintf(" %s %.1f", $3, $5)
		}
		END {
			for (k in joined)
				print "  messages per segment of bursts of " k ", 1000 members:" joined[k]
		}' "$dir/cost"

	has_json || {
		echo 'JSON mode: this daemon has none.'
		return
	}
	: >"$dir/json"
	for members in 100 1000 5000; do
		measure "$dir/json" "$members" "$(at floor)" "$(at plazad /json)"
	done
	echo
	printf '%-33s %9s %9s %9s %9s  %s\n' \
		"JSON mode, frames of $(awk '$3 == "plazad/json" { b = $6 } END { print b }' "$dir/json") bytes" \
		floor plazad '' '' plazad/floor
	for k in 1 8 64; do
		for members in 100 1000 5000; do
			messages_row "$dir/json" "$members" "$k" 1.3 plazad/json floor
		done
	done
}

# ---- two workers beside one ----

workers() {
	local members k
	start_chat plazad2 2
	: >"$dir/workers"
	for members in 100 1000 5000; do
		measure "$dir/workers" "$members" "$(at plazad)" "$(at plazad2)"
	done
	printf '%-33s %9s %9s  %s\n' 'CPU ns of all workers' 'one' 'two' 'two/one'
	for k in 1 8 64; do
		for members in 100 1000 5000; do
			awk -v m="$members" -v k="$k" '
				$1 == m && $2 == k { ns[$3] = $4; joined[$3] = $5 }
				END {
					r = sprintf("%.2f", ns["plazad2"] / ns["plazad"])
					printf "%-33s %9.1f %9.1f  %s (<= 1.15 %s), messages per write %.1f and %.1f\n",
						"1 of " m " members, " (k == 1 ? "one at a time" : "bursts of " k),
						ns["plazad"], ns["plazad2"], r, r + 0 <= 1.15 ? "ok" : "MISSED",
						joined["plazad"], joined["plazad2"]
				}' "$dir/workers"
		done
	done
}

# ---- memory ----

# memory NAME COUNT...: of a server that was just started
memory() {
	local name=$1
	shift
	"$bench/memory_chat" "$(at "$name")" "$@" >"$dir/memory"
	awk -v name="$name" '
		$1 == "fit" { slope = $2; off = $3; next }
		$1 == "delivered" { after = $2; next }
		{ points = points sprintf(" %6d", $2 / $1); n = $1 }
		END {
			printf "%-12s%s  fit %d, no point farther off than %.1f %%; a message adds %d", name, points,
				slope, off, after
			if (name ~ /plazad/)
				printf " (<= 7168 %s)", slope <= 7168 ? "ok" : "MISSED"
			print ""
		}' "$dir/memory"
}

memories() {
	local counts=(1000 5000 10000 "$many")
	printf 'Memory of the process (PSS) per idle WebSocket, of %s\n' "${counts[*]}"
	start_chat plazad_memory 1
	memory plazad_memory "${counts[@]}"
	start_nchan nchan_memory
	memory nchan_memory "${counts[@]}"
	start_websockets websockets_memory
	memory websockets_memory "${counts[@]}"
}

# ---- latencies ----

# column N FILE: the median of its Nth column
column() {
	awk -v n="$1" '{ print $n }' "$2" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# load FILE OPTION... SERVER: one round
load() {
	local file=$1
	shift
	"${on_load[@]}" "$bench/load_chat" "$@" >>"$file" 2>>"$dir/load.log" || :
}

# latency_row NAME RATE: what is in $dir/NAME.tail
latency_row() {
	local n
	printf '%-18s %9s' "$1" "$2"
	for n in 1 2 3 4; do
		printf ' %9.2f' "$(awk -v us="$(column "$n" "$dir/$1.tail")" 'BEGIN { print us / 1e3 }')"
	done
	printf ' %6s %%   %9.3f\n' "$(column 8 "$dir/$1.tail")" \
		"$(awk -v us="$(column 6 "$dir/$1.tail")" 'BEGIN { print us / 1e3 }')"
}

latency_head() {
	printf '%-18s %9s %9s %9s %9s %9s %8s   %s\n' "$1" 'a second' p50 p99 p99.9 max CPU 'generator late, p99'
}

latencies() {
	local all=(floor plazad nchan websockets) name i peak rate
	local -A half at
	for name in "${all[@]}"; do
		at[$name]=$(at "$name")
	done
	! has_json || {
		all=(floor plazad plazad/json nchan websockets)
		at[plazad/json]=$(at plazad /json)
	}
	mkdir -p "$dir/plazad"
	prefer_all
	# not by sched_setscheduler(2): who runs all the time is held back for 50 ms of each second
	for name in floor plazad nchan websockets; do
		[ -z "$may_prefer" ] || renice -n -20 -p "${pid[$name]}" >/dev/null 2>&1 || :
	done
	for name in "${all[@]}"; do
		: >"$dir/$name.peak"
		for i in 1 2 3; do
			load "$dir/$name.peak" -w 256 -d 1000 "${at[$name]}"
		done
		peak=$(sort -n "$dir/$name.peak" | tail -n 1)
		half[$name]=$((peak / 2))
		: >"$dir/$name.tail"
	done
	for ((i = 0; i < tail_rounds; i++)); do
		for name in "${all[@]}"; do
			load "$dir/$name.tail" -r "${half[$name]}" -d "$tail_ms" "${at[$name]}"
		done
	done
	echo "Latency of delivery to 1000 members at half of the peak rate of each (256 messages on their way),"
	echo "median of $tail_rounds rounds of $tail_ms ms, in milliseconds"
	latency_head ''
	for name in "${all[@]}"; do
		latency_row "$name" "${half[$name]}"
	done
	rate=${half[nchan]}
	for name in floor plazad nchan; do
		: >"$dir/$name.tail"
	done
	for ((i = 0; i < tail_rounds; i++)); do
		for name in floor plazad nchan; do
			load "$dir/$name.tail" -r "$rate" -d "$tail_ms" "${at[$name]}"
		done
	done
	latency_head "at nchan's half"
	for name in floor plazad nchan; do
		latency_row "$name" "$rate"
	done
}

# ---- all of it ----

say_machine 'The chat hub beside its peers'
echo '  floor       a bare epoll loop that joins messages, then a bare loop of send()'
echo "  nchan       $(dpkg-query -W -f '${Version}' libnginx-mod-nchan 2>/dev/null || echo 'version unknown'), one worker, nothing stored"
echo "  websockets  python3-websockets $("$python" -c 'import websockets; print(websockets.__version__)'), broadcast()"
echo
start_printing floor "$bench/floor_chat"
start_chat plazad 1
start_nchan nchan
start_websockets websockets
case $what in all | quick | cost) costs ;; esac
case $what in
all | quick | workers)
	[ "$what" = workers ] || echo
	workers
	;;
esac
case $what in
all | quick | memory)
	[ "$what" = memory ] || echo
	memories
	;;
esac
case $what in
all | quick | latency)
	[ "$what" = latency ] || echo
	latencies
	;;
esac
