#!/bin/bash
# bench_http.sh - the front door beside its peers: a bare epoll loop that parses nothing
# (floor_http.c), nginx and h2o. All in one run, each with one process on one CPU, the load
# generator on the other.
#
#   bench_http.sh [all|quick|cost|counts|tail]
#
# What it prints first is CPU time of the serving process per request (cost_http.c), not requests a
# second: servers take turns, and the ratio is that of their best rounds, since other work on the
# machine only ever makes a round dearer. Then what is counted (system calls, allocations, memory),
# then latencies under a constant rate (load_http.c). Ratios that are asked for stand beside; a
# missed one does not fail the benchmark, which knows nothing of what else the machine does.
#
#   PLAZAD  the daemon (src/plazad)
#   BENCH   where the programs of this folder are (tests/bench)
#   ROUNDS, MS           of each row (8 of 250 ms)
#   TAIL_ROUNDS, TAIL_MS of each server's latencies (7 of 2000 ms)
set -euo pipefail

what=${1:-all}
quick=1
[ "$what" = quick ] || quick=
rounds=${ROUNDS:-${quick:+3}}
rounds=${rounds:-8}
ms=${MS:-250}
tail_rounds=${TAIL_ROUNDS:-${quick:+3}}
tail_rounds=${tail_rounds:-7}
tail_ms=${TAIL_MS:-${quick:+1000}}
tail_ms=${tail_ms:-2000}
[[ $what =~ ^(all|quick|cost|counts|tail)$ ]] || {
	sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"
need wrk wrk
need curl curl
need nginx nginx
need h2o h2o

# a client and a server with 10,000 connections each
files_for 10000

# start_floor NAME LENGTH [close]
start_floor() {
	local name=$1
	shift
	start_printing "$name" "$bench/floor_http" "$@"
}

# Nothing that costs time and is not needed: no access log, no limit of requests, one worker that
# takes all that waits, the version left out, answers from the configuration itself by an exact
# match, and buffers that hold any head or body of this benchmark.
start_nginx() {
	port[nginx]=$(free_port)
	mkdir "$dir/nginx"
	cat >"$dir/nginx.conf" <<-END
		daemon off;
		worker_processes 1;
		worker_rlimit_nofile $files;
		pid $dir/nginx/pid;
		error_log $dir/nginx.log;
		events {
			worker_connections $((many * 5 / 4)); # with fewer left than a 16th it closes idle ones
			multi_accept on;
		}
		http {
			access_log off;
			server_tokens off;
			tcp_nodelay on;
			keepalive_requests 1000000000;
			keepalive_timeout 300;
			client_header_buffer_size 4k;
			client_max_body_size 1m;
			client_body_buffer_size 128k;
			default_type text/plain;
			client_body_temp_path $dir/nginx/body;
			proxy_temp_path $dir/nginx/proxy;
			fastcgi_temp_path $dir/nginx/fastcgi;
			uwsgi_temp_path $dir/nginx/uwsgi;
			scgi_temp_path $dir/nginx/scgi;
			server {
				listen 127.0.0.1:${port[nginx]} backlog=4096;
				location = / {
					return 200 "Hello, Anonymous";
				}
				location = /405 {
					return 405 "Method not allowed.";
				}
			}
		}
	END
	"${on_server[@]}" nginx -p "$dir/nginx" -c "$dir/nginx.conf" 2>>"$dir/nginx.log" &
	pids+=($!)
	wait_for nginx curl -fs "http://127.0.0.1:${port[nginx]}/"
	pid[nginx]=$(children_of $!)
}

# A redirection is the only answer that Debian's h2o gives without a file or a script; a file that
# may not be posted to is its 405.
start_h2o() {
	port[h2o]=$(free_port)
	mkdir "$dir/h2o"
	cat >"$dir/h2o.conf" <<-END
		listen:
		  host: 127.0.0.1
		  port: ${port[h2o]}
		num-threads: 1
		max-connections: $((many + 500))
		http1-request-timeout: 300
		limit-request-body: 1048576
		hosts:
		  default:
		    paths:
		      /405:
		        file.dir: $dir/h2o
		      /:
		        redirect:
		          url: "http://localhost/"
		          status: 301
	END
	"${on_server[@]}" h2o -c "$dir/h2o.conf" >"$dir/h2o.log" 2>&1 &
	pids+=($!)
	pid[h2o]=$!
	wait_for h2o curl -s "http://127.0.0.1:${port[h2o]}/"
}

start_plazad plazad
length=$(curl -fsi "http://127.0.0.1:${port[plazad]}/" | wc -c)
start_floor floor "$length"
start_floor floor_close "$length" close
start_nginx
start_h2o
for server in plazad_close nginx_close h2o_close; do
	port[$server]=${port[${server%_close}]}
	pid[$server]=${pid[${server%_close}]}
done

# ---- the requests ----

# request NAME METHOD TARGET [FIELD...]
request() {
	local name=$1 method=$2 target=$3
	shift 3
	{
		printf '%s %s HTTP/1.1\r\nHost: localhost\r\n' "$method" "$target"
		[ $# -eq 0 ] || printf '%s\r\n' "$@"
		printf '\r\n'
	} >"$dir/$name.request"
}
request get GET /
request close GET / 'Connection: close'
request name GET /%E5%A4%AA%E9%83%8E
request browser GET / \
	'Connection: keep-alive' \
	'sec-ch-ua: "Chromium";v="128", "Not;A=Brand";v="24", "Google Chrome";v="128"' \
	'sec-ch-ua-mobile: ?0' \
	'sec-ch-ua-platform: "Linux"' \
	'DNT: 1' \
	'Upgrade-Insecure-Requests: 1' \
	'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36' \
	'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7' \
	'Sec-Fetch-Site: same-origin' \
	'Sec-Fetch-Mode: navigate' \
	'Sec-Fetch-User: ?1' \
	'Sec-Fetch-Dest: document' \
	'Referer: http://localhost/' \
	'Accept-Encoding: gzip, deflate, br, zstd' \
	'Accept-Language: en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7' \
	'Cookie: session=3f9c0a6e5f7b4c0d9a1e8b2d; theme=dark; consent=1' \
	'Cache-Control: max-age=0' \
	'Priority: u=0, i' \
	'Sec-GPC: 1'
request post_plazad POST / 'Content-Length: 65536'
request post_peer POST /405 'Content-Length: 65536'
for name in post_plazad post_peer; do
	head -c 65536 /dev/zero >>"$dir/$name.request"
done

# ---- CPU time per request ----

# cost FILE SERVER REQUEST [OPTION...]: one round, its nanoseconds appended to FILE
cost() {
	local file=$1 server=$2 request=$3
	shift 3
	"${on_load[@]}" "$bench/cost_http" -d "$ms" "$@" "$dir/$request.request" \
		"${port[$server]}" "${pid[$server]}" 2>>"$dir/cost.log" >"$dir/one" || return 0
	[ ! -s "$dir/$server.access" ] || : >"$dir/$server.access"
	cut -d ' ' -f 1 "$dir/one" >>"$file"
}

# row NAME ASKED_OF_FLOOR ASKED_OF_NGINX SERVER:REQUEST... [-- OPTION...]
# the servers in the order of the columns
row() {
	local name=$1 of_floor=$2 of_nginx=$3 cells=() i cell ns=()
	shift 3
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		cells+=("$1")
		shift
	done
	[ $# -eq 0 ] || shift
	for cell in "${cells[@]}"; do
		: >"$dir/$cell.ns"
	done
	for ((i = 0; i < rounds; i++)); do
		for cell in "${cells[@]}"; do
			cost "$dir/$cell.ns" "${cell%%:*}" "${cell##*:}" "$@"
		done
	done
	for cell in "${cells[@]}"; do
		ns+=("$(best "$dir/$cell.ns")")
	done
	printf '%-31s' "$name"
	for i in 0 1 2 3; do
		[ -z "${ns[$i]:-}" ] && printf ' %7s' - || printf ' %7.0f' "${ns[$i]}"
	done
	printf '  %-20s %s\n' "$(verdict "${ns[1]}" "${ns[0]}" "$of_floor")" \
		"$(verdict "${ns[1]}" "${ns[2]}" "$of_nginx")"
}

# row2 NAME ASKED SERVER:REQUEST SERVER:REQUEST: the first beside the second, both ours
row2() {
	local name=$1 asked=$2 a=$3 b=$4 i
	: >"$dir/a"
	: >"$dir/b"
	for ((i = 0; i < rounds; i++)); do
		cost "$dir/b" "${b%%:*}" "${b##*:}"
		cost "$dir/a" "${a%%:*}" "${a##*:}"
	done
	awk -v name="$name" -v a="$(best "$dir/a")" -v b="$(best "$dir/b")" -v asked="$asked" 'BEGIN {
		printf "%-31s %7.0f beside %7.0f: %+.0f ns, %.2f", name, a, b, a - b, a / b
		if (asked != "")
			printf " (<= %s %s)", asked, sprintf("%.2f", a / b) + 0 <= asked + 0 ? "ok" : "MISSED"
		print ""
	}'
}

costs() {
	local all=(floor:get plazad:get nginx:get h2o:get) log_format
	local row='%-31s %7s %7s %7s %7s  %-20s %s\n'
	# shellcheck disable=SC2059 # the format is above
	printf "$row" 'CPU ns per request' floor plazad nginx h2o plazad/floor plazad/nginx
	row 'GET /, 64 connections' 1.15 1.00 "${all[@]}"
	row 'GET /, 1000 connections' 1.15 1.00 "${all[@]}" -- -c 1000
	row "GET /, $many connections" 1.15 1.00 "${all[@]}" -- -c "$many"
	row 'GET /, pipelined by 16' 1.50 0.15 "${all[@]}" -- -p 16
	row 'GET /, 20 fields of a browser' '' 1.00 {floor,plazad,nginx,h2o}:browser
	row 'GET /, a connection for each' '' 1.00 {floor,plazad,nginx,h2o}_close:close -- -1
	row 'POST / of 64 KiB: 405' '' 1.00 floor:post_peer plazad:post_plazad {nginx,h2o}:post_peer
	echo
	row2 'GET /<name> beside GET /' 1.05 plazad:name plazad:get
	if "$plazad" -c "$dir/plaza.conf" -T 2>&1 | grep -q '^#* *access *='; then
		for log_format in combined json; do
			start_plazad "plazad_$log_format" -o "log.access=$log_format"
			row2 "log.access=$log_format beside off" '' "plazad_$log_format:get" plazad:get
		done
	fi
}

# ---- what is counted ----

# Every system call of plazad's process, by strace: its calls per request and per connection.
count_calls() {
	local connections=64 requests=20000 tracer
	command -v strace >/dev/null || {
		echo 'System calls: no strace here.'
		return
	}
	: >"$dir/strace.log"
	strace -c -f -o "$dir/calls" -p "${pid[plazad]}" 2>"$dir/strace.log" &
	tracer=$!
	pids+=("$tracer")
	for _ in {1..100}; do
		grep -q attached "$dir/strace.log" && break
		sleep 0.05
	done
	if ! kill -0 "$tracer" 2>/dev/null || ! grep -q attached "$dir/strace.log"; then
		echo "System calls: strace may not look: $(head -n 1 "$dir/strace.log")"
		return
	fi
	"$bench/cost_http" -c "$connections" -n "$requests" "$dir/get.request" \
		"${port[plazad]}" "${pid[plazad]}" >"$dir/one"
	sleep 0.2
	kill -INT "$tracer"
	wait "$tracer" || :
	# the generator opens one connection more, with two requests, and each one twice before it counts
	awk -v c="$((connections + 1))" -v counted="$(cut -d ' ' -f 2 "$dir/one")" '
		$NF ~ /^[a-z0-9_]+$/ && $4 ~ /^[0-9]+$/ { calls[$NF] = $4; total += $4 }
		END {
			r = counted + 2 * c
			printf "System calls, %d requests on %d connections\n", r, c
			printf "  per request     recv %.3f, send %.3f (<= 2 together %s), the shared epoll_wait %.3f\n", \
				calls["recvfrom"] / r, calls["sendto"] / r, \
				calls["recvfrom"] + calls["sendto"] <= 2 * r + 2 * c ? "ok" : "MISSED", \
				calls["epoll_wait"] / r
			printf "  per connection  epoll_ctl %.2f (<= 2, at accept and at close %s), accept4 %.2f,", \
				calls["epoll_ctl"] / c, calls["epoll_ctl"] <= 2 * c ? "ok" : "MISSED", \
				calls["accept4"] / c
			printf " setsockopt %.2f, close %.2f\n", calls["setsockopt"] / c, calls["close"] / c
			for (name in calls) {
				if (name !~ /^(recvfrom|sendto|epoll_wait|epoll_ctl|accept4|setsockopt|close|total)$/)
					others = others sprintf(" %s %d", name, calls[name])
			}
			print "  all others     " (others == "" ? " none" : others)
		}' "$dir/calls"
}

# counts_of FILE: allocations, bytes, bytes of libevent
counts_of() {
	od -An -v -w24 -t d8 "$1"
}

# A daemon of its own, whose allocations are counted and whose heap is new.
count_memory() {
	local before after requests
	: >"$dir/allocations"
	# as another user, the worker may not open the file; the master has it mapped before the fork
	COUNT_ALLOC=$dir/allocations LD_PRELOAD=$(readlink -f "$bench/count_alloc.so") \
		start_plazad plazad_counted
	# the first connections, and what the process allocates once
	"$bench/cost_http" -n 1 "$dir/get.request" "${port[plazad_counted]}" \
		"${pid[plazad_counted]}" >/dev/null
	before=$(counts_of "$dir/allocations")
	"$bench/cost_http" -n 100000 "$dir/get.request" "${port[plazad_counted]}" \
		"${pid[plazad_counted]}" >"$dir/one"
	after=$(counts_of "$dir/allocations")
	requests=$(cut -d ' ' -f 2 "$dir/one")
	awk -v before="$before" -v after="$after" -v n="$requests" 'BEGIN {
		split(before, b)
		split(after, a)
		printf "Allocations, %d keep-alive requests on 64 connections: %d, %.3f per request (0.000 %s)\n", \
			n, a[1] - b[1], (a[1] - b[1]) / n, (a[1] - b[1]) / n < 0.0005 ? "ok" : "MISSED"
	}'
	COUNT_ALLOC=$dir/allocations "$bench/cost_http" -m -c "$many" "$dir/get.request" \
		"${port[plazad_counted]}" "${pid[plazad_counted]}" | awk '{
			printf "Memory, %d idle connections that have had an answer: %d bytes each (< 1024 %s),", \
				$1, $2, $2 < 1024 ? "ok" : "MISSED"
			printf " of which %d are the server'"'"'s own heap and %d libevent'"'"'s\n", $3 - $4, $4
		}'
}

# ---- latencies ----

# column N FILE: the median of its Nth column
column() {
	awk -v n="$1" '{ print $n }' "$2" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# tails CONNECTIONS
tails() {
	local connections=$1 peak=0 rate i server got n
	for i in 1 2 3; do
		got=$("${on_load[@]}" wrk -t 1 -c "$connections" -d 1s "http://127.0.0.1:${port[nginx]}/" |
			awk '/^Requests\/sec/ { printf "%d", $2 }')
		[ "$got" -le "$peak" ] || peak=$got
	done
	rate=$((peak * 7 / 10))
	for server in plazad nginx h2o; do
		: >"$dir/$server.tail"
	done
	for ((i = 0; i < tail_rounds; i++)); do
		for server in plazad nginx h2o; do
			"${on_load[@]}" "$bench/load_http" -c "$connections" -r "$rate" -d "$tail_ms" \
				"$dir/get.request" "${port[$server]}" >>"$dir/$server.tail" 2>>"$dir/load.log" || :
		done
	done
	echo "Latency at $rate requests a second, 70 % of nginx's peak ($peak by wrk), on $connections connections;"
	echo "median of $tail_rounds rounds of $tail_ms ms, in microseconds"
	printf '%10s %9s %9s %9s %9s   generator late by %9s %9s %9s\n' '' p50 p99 p99.9 max p50 p99 max
	for server in plazad nginx h2o; do
		printf '%10s' "$server"
		for n in 1 2 3 4; do
			printf ' %9.1f' "$(column "$n" "$dir/$server.tail")"
		done
		printf '                     '
		for n in 5 6 7; do
			printf ' %9.1f' "$(column "$n" "$dir/$server.tail")"
		done
		echo
	done
	printf '%10s' plazad/nginx
	for n in 1 2 3; do
		printf ' %9s' "$(verdict "$(column "$n" "$dir/plazad.tail")" "$(column "$n" "$dir/nginx.tail")" '')"
	done
	echo
}

# ---- all of it ----

say_machine 'plazad beside its peers'
echo "  floor   a bare epoll loop, a fixed answer of the same $length bytes"
echo "  nginx   $(nginx -v 2>&1 | sed 's,.*/,,'), one worker, return 200; return 405 for the POST"
echo "  h2o     $(h2o -v | sed -n 's/^h2o version //p'), one thread, redirect (301), its leanest answer; a file's 405 for the POST"
echo
case $what in all | quick | cost) costs ;; esac
case $what in
all | quick | counts)
	[ "$what" = counts ] || echo
	count_calls
	count_memory
	;;
esac
case $what in
all | quick | tail)
	[ "$what" = tail ] || echo
	prefer_all
	# not one of them is busy for so much of the time that the kernel would hold it back (sched(7))
	for server in plazad nginx h2o; do
		[ -z "$may_prefer" ] || chrt -a -f -p 1 "${pid[$server]}" 2>/dev/null || :
	done
	tails 64
	;;
esac
