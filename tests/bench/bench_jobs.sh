#!/bin/bash
# bench_jobs.sh - the job queue beside a naive one by pgbench, graphile-worker and pg-boss: the same
# PostgreSQL, one after the other in one run, all of them on all processors.
#
#   bench_jobs.sh [all|quick|flow|burn|peers|pickup|pinned|origins]
#
#   flow     jobs of no work, one to a request: from the first request to the last stored result,
#            against pgbench's clients that put one, claim one and finish it
#   burn     jobs that wait already, against pgbench's clients that claim one and finish it
#   peers    the same against queues from npm, with what they do when nothing is set
#   pickup   one client that waits for its job: from its request to the answer with the result
#   pinned   burn, while a transaction that is idle keeps vacuum from removing anything
#   origins  1000 slow origins at once: memory of the executor, and callbacks over 20 ms
#
# Rounds take turns, and the best round of each counts. Commits wait for the disk, and autovacuum is
# what it is by default. A ratio that is missed does not fail the benchmark, which knows nothing of
# what else the machine does; a job that is not done does.
#
#   PLAZAD  the daemon (src/plazad)
#   BENCH   where the programs of this folder are (tests/bench)
#   ROUNDS, MS  of each rate (4 of 2000 ms)
#   JOBS    that wait for burn (100000)
#   PG_DIR  where the private server is made (a new folder in /var/tmp)
set -euo pipefail
shopt -s inherit_errexit

what=${1:-all}
quick=
[ "$what" != quick ] || quick=1
rounds=${ROUNDS:-${quick:+2}}
rounds=${rounds:-4}
ms=${MS:-${quick:+1000}}
ms=${ms:-2000}
jobs=${JOBS:-${quick:+40000}}
jobs=${jobs:-100000}
[[ $what =~ ^(all|quick|flow|burn|peers|pickup|pinned|origins)$ ]] || {
	sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"
here=$(dirname "$(readlink -f "$0")")
pg_tmp=$here/../it/pg_tmp.sh
for bin in /usr/lib/postgresql/?/bin /usr/lib/postgresql/??/bin; do
	[ ! -x "$bin/pgbench" ] || PATH=$bin:$PATH
done
need pgbench postgresql
need psql postgresql
need curl curl
need jq jq
files_for 4000
# no CPU of its own for anybody: pgbench and PostgreSQL have none either
# shellcheck disable=SC2034 # for common.sh
on_server=() on_load=()

# ---- the database ----

pg_dir=${PG_DIR:-$(mktemp -d /var/tmp/plaza-bench.XXXXXX)}
pin_pid= # of the transaction that is idle
stop_all() {
	[ -z "$pin_pid" ] || end "$pin_pid"
	cleanup
	"$pg_tmp" remove "$pg_dir" >/dev/null || :
}
trap stop_all EXIT
socket=$("$pg_tmp" start "$pg_dir" fsync=on full_page_writes=on shared_buffers=256MB \
	max_wal_size=4GB max_connections=200 checkpoint_timeout=1h)
psql=(psql -q -X -v ON_ERROR_STOP=1 -h "$socket" -U plaza -d plaza)

run_sql() {
	"${psql[@]}" -At -c "$1"
}

# ---- the servers: one daemon with one worker, one with two, each with a queue of its own ----

# start_queue NAME WORKERS [OPTION...]: its schema has its name
start_queue() {
	local name=$1 workers=$2
	shift 2
	run_sql "create schema $name" >/dev/null
	start_plazad "$name" -o "server.workers=$workers" -o "store.schema=$name" \
		-o "store.database=host=$socket dbname=plaza user=plaza" -o store.queue_limit=10000 \
		-o jobs.concurrency=1000 -o jobs.queue_depth=10000000 "$@"
	wait_for 'its database' is_connected "$name" "$workers"
}

# is_connected NAME WORKERS: with all that it needs
is_connected() {
	[ "$(grep -c 'worker .* store: connected' "$dir/$1.log")" = "$2" ] &&
		[ "$(grep -c ': jobs: connected' "$dir/$1.log")" = $(($2 + 1)) ]
}

for workers in 1 2; do
	start_queue "w$workers" "$workers"
done

# api NAME PATH [CURL-ARGUMENT...]
api() {
	local at=${port[$1]} path=$2
	shift 2
	curl -sS --fail-with-body --max-time 300 "$@" "http://127.0.0.1:$at$path"
}

# until_empty NAME QUEUE: none of its jobs waits or runs any more
until_empty() {
	local state
	for ((;;)); do
		state=$(api "$1" "/api/queues/$2?until=empty&wait=60") || die "$1: $state"
		[[ $state != *'"paused":true'* ]] || die "$1: nothing is done, for the queue is paused"
		[[ $state != *'"depth":0,"running":0'* ]] || return 0
	done
}

# done_since NAME N: how many more than N are done; each job that was put must be, by now or, if its
# client did not wait for the answer, in a moment
done_since() {
	local left
	for _ in {1..50}; do
		left=$(run_sql "select (select count(*) from $1.jobs) - (select count(*) from $1.job_result where state = 'd')")
		if [ "$left" = 0 ]; then
			run_sql "select count(*) - $2 from $1.job_result"
			return
		fi
		sleep 0.1
	done
	die "$1: $left jobs are not done: $(run_sql "select state, count(*), min(error) from $1.job_result group by 1")"
}

now_us() {
	echo $((${EPOCHREALTIME/./}))
}

# ---- the naive queue ----

# What a first try looks like: one table, its state in a column, one job at a time.
run_sql "create table naive(id bigserial primary key, args jsonb not null, state text not null default 'ready',
		worker int, result jsonb, created timestamptz not null default now(), finished timestamptz)" >/dev/null
run_sql "create index on naive(id) where state = 'ready'" >/dev/null
cat >"$dir/enqueue.sql" <<-'END'
	insert into naive(args) values ('{"ms":0}');
END
# nothing is free when others have taken all that was there as the statement began
cat >"$dir/work.sql" <<-'END'
	with c as (update naive set state = 'running', worker = :client_id where id = (
		select id from naive where state = 'ready' order by id limit 1 for update skip locked)
		returning id) select coalesce((select id from c), 0) as id \gset
	update naive set state = 'done', result = '{}', finished = now() where id = :id;
END
cat "$dir/enqueue.sql" "$dir/work.sql" >"$dir/flow.sql"

# naive SCRIPT CLIENTS: jobs a second that it has done
naive() {
	local threads=2 n
	[ "$2" -gt 1 ] || threads=1
	pgbench -n -M prepared -h "$socket" -U plaza -c "$2" -j "$threads" -T $(((ms + 999) / 1000)) \
		-f "$dir/$1.sql" plaza >"$dir/pgbench.out" 2>"$dir/pgbench.log" || die "pgbench: $(cat "$dir/pgbench.log")"
	n=$(run_sql "select count(*) from naive where state = 'done'")
	# of its transactions, some may have found nothing to do
	awk -v done="$n" '/^tps/ { tps = $3 } /actually processed/ { n = $NF }
		END { printf "%.1f\n", tps * done / n }' "$dir/pgbench.out"
}

naive_empty() {
	run_sql 'truncate naive' >/dev/null
}

naive_fill() {
	naive_empty
	run_sql "insert into naive(args) select '{\"ms\":0}' from generate_series(1, $jobs)" >/dev/null
	run_sql 'vacuum analyze naive' >/dev/null
}

# ---- measuring ----

# keep FILE VALUE; none: whoever was to find it has said why
keep() {
	[ -n "$2" ] || exit 1
	echo "$2" >>"$dir/$1"
}

most() {
	sort -n "$dir/$1" 2>/dev/null | tail -n 1
}

# verdict_over OURS THEIRS ASKED: more is better
verdict_over() {
	awk -v a="$1" -v b="$2" -v asked="$3" 'BEGIN {
		r = a / b
		word = (r < asked + 0) ? "MISSED" : "ok"
		printf "%.2f (>= %s %s)\n", r, asked, word
	}'
}

# rate N MICROSECONDS
rate() {
	awk -v n="$1" -v us="$2" 'BEGIN { printf "%.0f\n", n / us * 1e6 }'
}

# flow_once NAME CONNECTIONS: jobs a second, from the first request to the last stored result
flow_once() {
	local before begin end n
	before=$(run_sql "select count(*) from $1.job_result")
	begin=$(now_us)
	"$bench/load_api" -c "$2" -d "$ms" job "${port[$1]}" >/dev/null
	until_empty "$1" default
	end=$(now_us)
	n=$(done_since "$1" "$before")
	rate "$n" $((end - begin))
}

flow() {
	local workers connections clients v
	for ((i = 0; i < rounds; i++)); do
		for workers in 1 2; do
			for connections in 64 256; do
				keep "flow.$workers.$connections" "$(flow_once "w$workers" "$connections")"
			done
		done
		for clients in 8 16 32 64; do
			naive_empty
			keep "flow.naive.$clients" "$(naive flow "$clients")"
		done
	done
	printf '\nJobs of no work, from HTTP to the stored result, a second\n'
	for workers in 1 2; do
		for connections in 64 256; do
			v=$(most "flow.$workers.$connections")
			printf '  plazad, %s worker(s), %3s connections  %10.0f\n' "$workers" "$connections" "$v"
			keep flow.ours "$v"
		done
	done
	for clients in 8 16 32 64; do
		v=$(most "flow.naive.$clients")
		printf '  naive, pgbench, %3s clients           %10.0f\n' "$clients" "$v"
		keep flow.theirs "$v"
	done
	printf '  best of each: %s\n' "$(verdict_over "$(most flow.ours)" "$(most flow.theirs)" 3)"
}

# fill NAME: jobs that wait, put over HTTP, a thousand in a request
fill() {
	local before
	[ -s "$dir/thousand" ] ||
		jq -nc '[range(1000) | {kind: "sleep", args: {ms: 0}}]' >"$dir/thousand"
	before=$(run_sql "select count(*) from $1.job_ready")
	# what is behind the # is not sent
	api "$1" "/api/jobs#[1-$((jobs / 1000))]" -H 'Content-Type: application/json' -d "@$dir/thousand" >/dev/null
	[ "$(run_sql "select count(*) from $1.job_ready")" = $((before + jobs)) ] || die "$1: not all jobs were put"
}

# pause NAME true|false
pause() {
	api "$1" /api/queues/default -X PATCH -H 'Content-Type: application/merge-patch+json' -d "{\"paused\":$2}" >/dev/null
}

# burn_once NAME: jobs a second of those that wait
burn_once() {
	local before begin end n
	before=$(run_sql "select count(*) from $1.job_result")
	pause "$1" true
	fill "$1"
	run_sql "vacuum analyze $1.job_ready" >/dev/null
	begin=$(now_us)
	pause "$1" false
	until_empty "$1" default
	end=$(now_us)
	n=$(done_since "$1" "$before")
	rate "$n" $((end - begin))
}

burn() {
	local clients v
	for ((i = 0; i < rounds; i++)); do
		keep burn.ours "$(burn_once w1)"
		for clients in 4 8 16 32; do
			naive_fill
			keep "burn.naive.$clients" "$(naive work "$clients")"
		done
	done
	printf '\nJobs of no work that wait already (%s), a second\n' "$jobs"
	printf '  plazad                                %10.0f\n' "$(most burn.ours)"
	for clients in 4 8 16 32; do
		v=$(most "burn.naive.$clients")
		printf '  naive, pgbench, %3s clients           %10.0f\n' "$clients" "$v"
		keep burn.theirs "$v"
	done
	printf '  best of each: %s\n' "$(verdict_over "$(most burn.ours)" "$(most burn.theirs)" 6)"
}

# Packages from npm, of the versions in peers/package-lock.json; brought once, then kept.
peers() {
	local modules=${XDG_CACHE_HOME:-$HOME/.cache}/plaza-bench-peers peer form v
	if ! command -v npm >/dev/null; then
		printf '\nNo npm: graphile-worker and pg-boss are not compared\n'
		return
	fi
	mkdir -p "$modules"
	cp "$here"/peers/* "$modules"
	(cd "$modules" && timeout 300 npm ci --prefer-offline --no-audit --no-fund --ignore-scripts \
		>npm.log 2>&1 </dev/null) || {
		printf '\nnpm brings nothing (%s): graphile-worker and pg-boss are not compared\n' "$modules/npm.log"
		return
	}
	[ -s "$dir/burn.ours" ] || keep burn.ours "$(burn_once w1)"
	printf '\nJobs of no work that wait already, against other queues, a second\n'
	printf '  plazad                                %10.0f\n' "$(most burn.ours)"
	for peer in graphile boss; do
		for form in default tuned; do
			for ((i = 0; i < rounds; i++)); do
				run_sql 'drop schema if exists graphile_worker, pgboss cascade' >/dev/null 2>&1
				keep "peer.$peer.$form" "$(cd "$modules" && timeout 120 node peers.mjs "$peer" "$form" \
					"postgresql://plaza@/plaza?host=$socket" 40000 5)"
			done
			v=$(most "peer.$peer.$form")
			printf '  %-8s %-8s                     %10.0f  %s\n' "$peer" "$form" "$v" \
				"$([ "$form" = tuned ] || verdict_over "$(most burn.ours)" "$v" 1)"
		done
	done
}

pickup() {
	local v best
	for ((i = 0; i < rounds; i++)); do
		v=$("$bench/load_api" -c 1 -d "$ms" waited-job "${port[w1]}")
		keep pickup.ours "$(cut -d ' ' -f 2-3 <<<"$v")"
		naive_empty
		keep pickup.naive "$(naive flow 1)"
	done
	best=$(sort -n "$dir/pickup.ours" | head -n 1)
	printf '\nOne client that waits for its job of no work, milliseconds\n'
	awk -v p50="${best% *}" -v p99="${best#* }" -v naive="$(most pickup.naive)" 'BEGIN {
		printf "  from the request to the result: p50 %.2f (< 3 %s), p99 %.2f\n", p50 / 1000,
			p50 < 3000 ? "ok" : "MISSED", p99 / 1000
		printf "  pgbench that does its own job itself, in as many commits: %.2f\n", 1000 / naive
	}'
}

# ---- a transaction that is idle ----

pinning() {
	run_sql "select count(*) from pg_stat_activity where state = 'idle in transaction'
		and backend_xmin is not null and backend_xid is not null"
}

is_pinned() {
	[ "$(pinning)" = 1 ]
}

# It has written, and has a snapshot: no vacuum removes what is dead since.
pin() {
	coproc IDLE { exec "${psql[@]}" >/dev/null 2>"$dir/pin.log"; }
	pin_pid=$IDLE_PID
	echo 'create table if not exists pin(n int);' >&"${IDLE[1]}"
	echo 'begin isolation level repeatable read; insert into pin values (1); select 1;' >&"${IDLE[1]}"
	wait_for 'the idle transaction' is_pinned
}

unpin() {
	is_pinned || die "the idle transaction has ended: $(cat "$dir/pin.log")"
	echo '\q' >&"${IDLE[1]}"
	wait "$pin_pid" || :
	pin_pid=
}

# dead NAME: versions of jobs that waited and ran that vacuum finds, and may not remove
dead() {
	"${psql[@]}" -c "vacuum (verbose) $1.job_ready, $1.job_lease" 2>&1 |
		sed -nE 's/^tuples: .* ([0-9]+) are dead but not yet removable/\1/p' | awk '{ n += $1 } END { print n + 0 }'
}

pinned() {
	local n
	for ((i = 0; i < rounds; i++)); do
		keep pinned.clean "$(burn_once w1)"
		pin
		# what passes here is dead, and stays
		burn_once w1 >/dev/null
		n=$(dead w1)
		[ "$n" -ge $((2 * jobs)) ] || die "the horizon is not pinned: only $n rows are dead and stay"
		keep pinned.ours "$(burn_once w1)"
		unpin
		run_sql 'vacuum' >/dev/null 2>&1
	done
	printf '\nJobs of no work that wait already, a second\n'
	printf '  vacuum as it is %10.0f, held back behind %s dead rows %10.0f: %s\n' "$(most pinned.clean)" \
		"$n" "$(most pinned.ours)" "$(verdict_over "$(most pinned.ours)" "$(most pinned.clean)" 0.9)"
}

# ---- slow origins ----

# pss PID: bytes
pss() {
	awk '/^Pss:/ { print $2 * 1024 }' "/proc/$1/smaps_rollup"
}

executor_of() {
	local p
	for p in ${pid[$1]//,/ }; do
		! grep -q 'plazad: executor' "/proc/$p/cmdline" || echo "$p"
	done
}

# Each origin has an address of its own. A job has no more than 128 of its URLs under way.
origins() {
	local delay=4000 at executor before during begin end i n slow
	files_for 3000
	[ "$many" -ge 1000 ] || die "1000 origins want more descriptors (ulimit -n)"
	start_printing origin "$bench/slow_origin" "$delay" 1000
	at=$(head -n 1 "$dir/origin.port")
	start_queue slow 1 -o fetch.concurrency=1000 -o fetch.per_host=1000 \
		-o "fetch.allow=127.0.0.0/8:$at" -o log.slow_callback=20ms
	executor=$(executor_of slow)
	before=$(pss "$executor")
	begin=$(now_us)
	for ((n = 0; n < 10; n++)); do
		for ((i = 100 * n; i < 100 * n + 100; i++)); do
			echo "http://127.1.$((i / 250)).$((i % 250 + 1)):$at/"
		done | jq -Rn '{urls: [inputs], timeout: "60s"}' >"$dir/urls"
		api slow /api/fetch -H 'Content-Type: application/json' -d "@$dir/urls" >/dev/null
	done
	wait_for '1000 transfers at once' grep -q wait "$dir/origin.port"
	during=$(pss "$executor")
	until_empty slow fetch
	end=$(now_us)
	n=$(run_sql "select count(*) from slow.job_result r, json_array_elements(r.result->'urls') u
		where r.state = 'd' and (u->>'status')::int = 200 and (u->>'bytes')::int = 2048")
	[ "$n" = 1000 ] || die "only $n of 1000 URLs were fetched: $(run_sql "select u->>'error', count(*)
		from slow.job_result r, json_array_elements(r.result->'urls') u group by 1")"
	slow=$(grep -c 'executor .*slow callback' "$dir/slow.log" || :)
	printf '\n1000 origins that answer after %s ms\n' "$delay"
	awk -v before="$before" -v during="$during" -v us=$((end - begin)) -v slow="$slow" 'BEGIN {
		each = (during - before) / 1000 / 1024
		printf "  memory of the executor: %.1f MiB before, %.1f MiB during; %.1f KiB each (< 64 %s)\n",
			before / 1048576, during / 1048576, each, each < 64 ? "ok" : "MISSED"
		printf "  callbacks of 20 ms or more: %d (0 %s); all fetched after %.2f s\n", slow,
			slow ? "MISSED" : "ok", us / 1e6
	}'
	sed -n 's/.*slow callback: /    /p' "$dir/slow.log"
}

say_machine 'The job queue beside a naive one'
echo "  $(pgbench --version); fsync and synchronous_commit on; best of $rounds rounds of $ms ms"
case $what in
flow | all | quick) flow ;;&
burn | all | quick) burn ;;&
peers | all) peers ;;&
pickup | all | quick) pickup ;;&
pinned | all | quick) pinned ;;&
origins | all) origins ;;
esac
