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
# Rounds take turns, and the best round of each counts. Commits wait for the disk. A ratio that is
# missed does not fail the benchmark, which knows nothing of what else the machine does.
#
#   PLAZAD  the daemon (src/plazad)
#   BENCH   where the programs of this folder are (tests/bench)
#   ROUNDS, MS  of each rate (4 of 2000 ms)
#   JOBS    that wait for burn (100000)
#   PG_DIR  where the private server is made (a new folder in /var/tmp)
set -euo pipefail

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
files_for 4000
# no CPU of its own for anybody: pgbench and PostgreSQL have none either
# shellcheck disable=SC2034 # for common.sh
on_server=() on_load=()

# ---- the database ----

pg_dir=${PG_DIR:-$(mktemp -d /var/tmp/plaza-bench.XXXXXX)}
stop_all() {
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

for workers in 1 2; do
	run_sql "create schema w$workers" >/dev/null
	start_plazad "plazad$workers" -o "server.workers=$workers" -o "store.schema=w$workers" \
		-o "store.database=host=$socket dbname=plaza user=plaza" -o store.queue_limit=10000 \
		-o jobs.concurrency=1000 -o jobs.queue_depth=10000000
	wait_for "its database" grep -q 'store: connected' "$dir/plazad$workers.log"
done

# api WORKERS PATH [CURL-ARGUMENT...]
api() {
	local at=${port[plazad$1]} path=$2
	shift 2
	curl -sS --fail-with-body --max-time 300 "$@" "http://127.0.0.1:$at$path"
}

# until_empty WORKERS: no job of the queue waits or runs any more
until_empty() {
	local state
	for ((;;)); do
		state=$(api "$1" '/api/queues/default?until=empty&wait=60')
		[[ $state != *'"depth":0,"running":0'* ]] || return 0
	done
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
cat >"$dir/work.sql" <<-'END'
	update naive set state = 'running', worker = :client_id where id = (
		select id from naive where state = 'ready' order by id limit 1 for update skip locked)
		returning id \gset
	update naive set state = 'done', result = '{}', finished = now() where id = :id;
END
cat "$dir/enqueue.sql" "$dir/work.sql" >"$dir/flow.sql"

# naive SCRIPT CLIENTS: transactions a second
naive() {
	local threads=2
	[ "$2" -gt 1 ] || threads=1
	pgbench -n -M prepared -h "$socket" -U plaza -c "$2" -j "$threads" -T $(((ms + 999) / 1000)) \
		-f "$dir/$1.sql" plaza 2>"$dir/pgbench.log" | sed -nE 's/^tps = ([0-9.]+).*/\1/p'
}

naive_fill() {
	run_sql "truncate naive; insert into naive(args) select '{\"ms\":0}' from generate_series(1, $jobs)" >/dev/null
	run_sql 'vacuum analyze naive' >/dev/null
}

# ---- measuring ----

# keep FILE VALUE
keep() {
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

# finished WORKERS: results that are stored
finished() {
	run_sql "select count(*) from w$1.job_result where state = 'd'"
}

# flow_once WORKERS CONNECTIONS: jobs a second, from the first request to the last stored result
flow_once() {
	local before begin
	before=$(finished "$1")
	begin=$(now_us)
	"$bench/load_api" -c "$2" -d "$ms" job "${port[plazad$1]}" >/dev/null
	until_empty "$1"
	awk -v n="$(($(finished "$1") - before))" -v us="$(($(now_us) - begin))" 'BEGIN { printf "%.0f\n", n / us * 1e6 }'
}

flow() {
	local workers connections clients v
	for ((i = 0; i < rounds; i++)); do
		for workers in 1 2; do
			for connections in 64 256; do
				keep "flow.$workers.$connections" "$(flow_once "$workers" "$connections")"
			done
		done
		for clients in 8 16 32 64; do
			run_sql 'truncate naive' >/dev/null
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

# burn_once WORKERS: jobs a second of those that wait
burn_once() {
	local begin
	api "$1" /api/queues/default -X PATCH -H 'Content-Type: application/merge-patch+json' -d '{"paused":true}' >/dev/null
	run_sql "select count(w$1.job_enqueue('sleep', '{\"ms\":0}')) from generate_series(1, $jobs)" >/dev/null
	run_sql "vacuum analyze w$1.job_ready" >/dev/null
	begin=$(now_us)
	api "$1" /api/queues/default -X PATCH -H 'Content-Type: application/merge-patch+json' -d '{"paused":false}' >/dev/null
	until_empty "$1"
	awk -v n="$jobs" -v us="$(($(now_us) - begin))" 'BEGIN { printf "%.0f\n", n / us * 1e6 }'
}

burn() {
	local clients v
	for ((i = 0; i < rounds; i++)); do
		keep burn.ours "$(burn_once 1)"
		for clients in 8 16 32; do
			naive_fill
			keep "burn.naive.$clients" "$(naive work "$clients")"
		done
	done
	printf '\nJobs of no work that wait already (%s), a second\n' "$jobs"
	printf '  plazad                                %10.0f\n' "$(most burn.ours)"
	for clients in 8 16 32; do
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
	[ -s "$dir/burn.ours" ] || keep burn.ours "$(burn_once 1)"
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
	local v
	for ((i = 0; i < rounds; i++)); do
		v=$("$bench/load_api" -c 1 -d "$ms" waited-job "${port[plazad1]}")
		keep pickup.p50 "$(cut -d ' ' -f 2 <<<"$v")"
		keep pickup.p99 "$(cut -d ' ' -f 3 <<<"$v")"
	done
	printf '\nOne client that waits for its job of no work, milliseconds (asked: p50 under 3)\n'
	printf '  from the request to the result: p50 %.2f, p99 %.2f\n' \
		"$(sort -n "$dir/pickup.p50" | head -n 1 | awk '{ print $1 / 1000 }')" \
		"$(sort -n "$dir/pickup.p99" | head -n 1 | awk '{ print $1 / 1000 }')"
}

# A transaction that has written and is idle holds back every vacuum.
pin() {
	coproc PIN { "${psql[@]}" >/dev/null 2>&1; }
	echo 'create table if not exists pin(n int); begin isolation level repeatable read; insert into pin values (1); select 1;' >&"${PIN[1]}"
	wait_for 'the idle transaction' test 1 = "$(run_sql "select count(*) from pg_stat_activity where state = 'idle in transaction'")"
}

unpin() {
	echo 'rollback; \q' >&"${PIN[1]}"
	wait "$PIN_PID" 2>/dev/null || :
}

pinned() {
	for ((i = 0; i < rounds; i++)); do
		keep pinned.clean "$(burn_once 1)"
		pin
		# what passes here is dead, and stays
		burn_once 1 >/dev/null
		keep pinned.ours "$(burn_once 1)"
		unpin
		run_sql 'vacuum' >/dev/null
	done
	printf '\nJobs of no work that wait already, a second\n'
	printf '  vacuum as it is %10.0f, held back behind %s dead jobs %10.0f: %s\n' "$(most pinned.clean)" \
		"$jobs" "$(most pinned.ours)" "$(verdict_over "$(most pinned.ours)" "$(most pinned.clean)" 0.9)"
}

say_machine 'The job queue beside a naive one'
echo "  $(pgbench --version); fsync and synchronous_commit on; best of $rounds rounds of $ms ms"
case $what in
flow | all | quick) flow ;;&
burn | all | quick) burn ;;&
peers | all) peers ;;&
pickup | all | quick) pickup ;;&
pinned | all | quick) pinned ;;&
origins | all) origins ;;&
esac
