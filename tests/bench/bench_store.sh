#!/bin/bash
# bench_store.sh - the product store beside PostgreSQL's own pgbench and psql: the same server, the
# same table with its indexes and triggers, one after the other in one run. PostgreSQL, the daemon
# and the generators share all processors, as an operator's would on one machine, and what one of
# them uses the others lack: the rates are of the whole.
#
#   bench_store.sh [all|quick|get|post|list|bulk|latency|aside]
#
# Rates (load_api.c): the best of one or two workers and 64 or 256 connections against the best
# of pgbench's numbers of clients; rounds take turns, and the best round of each counts. Commits wait
# for the disk (fsync, synchronous_commit on). Ratios that are asked for stand beside; a missed one
# does not fail the benchmark, which knows nothing of what else the machine does.
#
# aside: GET one and POST one alone, beside a full load of search, counts and deep pages with two
# exports through the same worker, and, to tell what of that is but the processors' being shared,
# beside pgbench that runs the same lists on one connection, as the worker does.
#
#   PLAZAD  the daemon (src/plazad)
#   BENCH   where the programs of this folder are (tests/bench)
#   ROUNDS, MS  of each rate (4 of 2000 ms)
#   ROWS    products in the table (100000)
#   PG_DIR  where the private server is made (a new folder in /var/tmp)
set -euo pipefail

what=${1:-all}
quick=
[ "$what" != quick ] || quick=1
rounds=${ROUNDS:-${quick:+2}}
rounds=${rounds:-4}
ms=${MS:-${quick:+1000}}
ms=${ms:-2000}
rows=${ROWS:-100000}
[[ $what =~ ^(all|quick|get|post|list|bulk|latency|aside)$ ]] || {
	sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

# shellcheck source=tests/bench/common.sh
. "$(dirname "$0")/common.sh"
pg_tmp=$(dirname "$(readlink -f "$0")")/../it/pg_tmp.sh
for bin in /usr/lib/postgresql/?/bin /usr/lib/postgresql/??/bin; do
	[ ! -x "$bin/pgbench" ] || PATH=$bin:$PATH
done
need pgbench postgresql
need psql postgresql
need curl curl
files_for 1000
# no CPU of its own for anybody: pgbench and PostgreSQL have none either
# shellcheck disable=SC2034 # for common.sh
on_server=() on_load=()

# ---- the database ----

pg_dir=${PG_DIR:-$(mktemp -d /var/tmp/plaza-bench.XXXXXX)}
beside=() # processes of a moment
stop_all() {
	for p in "${beside[@]}"; do
		end "$p"
	done
	cleanup
	"$pg_tmp" remove "$pg_dir" >/dev/null || :
}
trap stop_all EXIT
socket=$("$pg_tmp" start "$pg_dir" fsync=on full_page_writes=on shared_buffers=256MB \
	max_wal_size=4GB max_connections=200 autovacuum=off checkpoint_timeout=1h)
psql=(psql -q -X -v ON_ERROR_STOP=1 -h "$socket" -U plaza -d plaza)

run_sql() {
	"${psql[@]}" -At -c "$1"
}

# ---- the servers ----

for workers in 1 2; do
	start_plazad "plazad$workers" -o "server.workers=$workers" \
		-o "store.database=host=$socket dbname=plaza user=plaza" -o store.queue_limit=10000
	wait_for "its database" grep -q 'store: connected' "$dir/plazad$workers.log"
done

fill_table() {
	run_sql "insert into products(name, price)
		select 'product ' || n, (n % 100000) / 100.0 from generate_series(1, $rows) n" >/dev/null
	run_sql 'vacuum analyze products' >/dev/null
}
fill_table
run_sql 'checkpoint' 2>/dev/null || "${psql[@]}" -U postgres -c checkpoint

# ---- measuring ----

# keep FILE VALUE
keep() {
	echo "$2" >>"$dir/$1"
}

most() {
	sort -n "$dir/$1" 2>/dev/null | tail -n 1
}

least() {
	sort -n "$dir/$1" 2>/dev/null | head -n 1
}

# ours MODE CONNECTIONS WORKERS: "rate p50 p99 max"
ours() {
	"$bench/load_api" -c "$2" -d "$ms" -n "$rows" -s "$RANDOM" "$1" "${port[plazad$3]}"
}

# bench_of SCRIPT CLIENTS: transactions a second. It plans once, as we do, and its inserts need not
# tell the change feed, as ours: NOTIFY would make it wait at each commit.
bench_of() {
	local jobs=2
	[ "$2" -gt 1 ] || jobs=1
	PGOPTIONS="-c plaza.told=on -c plan_cache_mode=force_generic_plan" \
		pgbench -n -M prepared -h "$socket" -U plaza -c "$2" -j "$jobs" -T $(((ms + 999) / 1000)) \
		-f "$dir/$1.sql" plaza 2>"$dir/pgbench.log" | tee "$dir/pgbench.out" |
		sed -nE 's/^tps = ([0-9.]+).*/\1/p'
}

# PostgreSQL plans it once, and executes it as often as asked
cat >"$dir/get.sql" <<-END
	\\set id random(1, $rows)
	select * from products where id = :id;
END
cat >"$dir/post.sql" <<-END
	\\set id random(1, $rows)
	insert into products(name, price) values ('product ' || :id, (:id % 100000) / 100.0) returning *;
END
cat >"$dir/list.sql" <<-END
	\\set id random(0, $((rows - 101)))
	select * from products where id > :id order by id limit 101;
END
cat >"$dir/first.sql" <<-END
	select * from products where id > -9223372036854775808 order by id limit 101;
END

# verdict_over OURS THEIRS ASKED: more is better
verdict_over() {
	awk -v a="$1" -v b="$2" -v asked="$3" 'BEGIN {
		r = a / b
		word = (r < asked + 0) ? "MISSED" : "ok"
		printf "%.2f (>= %s %s)\n", r, asked, word
	}'
}

# rate NAME MODE ASKED CLIENTS...: all combinations of ours against pgbench's, in turns
rate() {
	local name=$1 mode=$2 asked=$3 workers connections clients
	shift 3
	for ((i = 0; i < rounds; i++)); do
		for workers in 1 2; do
			for connections in 64 256; do
				keep "$mode.$workers.$connections" "$(ours "$mode" "$connections" "$workers" | cut -d ' ' -f 1)"
			done
		done
		for clients in "$@"; do
			keep "$mode.pgbench.$clients" "$(bench_of "$mode" "$clients")"
		done
	done
	printf '\n%s, a second\n' "$name"
	for workers in 1 2; do
		for connections in 64 256; do
			v=$(most "$mode.$workers.$connections")
			printf '  plazad, %s worker(s), %3s connections  %10.0f\n' "$workers" "$connections" "$v"
			keep "$mode.ours" "$v"
		done
	done
	for clients in "$@"; do
		v=$(most "$mode.pgbench.$clients")
		printf '  pgbench -M prepared, %3s clients       %10.0f\n' "$clients" "$v"
		keep "$mode.theirs" "$v"
	done
	printf '  best of each: %s\n' "$(verdict_over "$(most "$mode.ours")" "$(most "$mode.theirs")" "$asked")"
}

bulk() {
	local v n=100000 seconds
	for ((i = 1; i <= n; i++)); do
		printf 'product %06d,%d.%02d\n' $((i % 1000)) $((i % 1000)) $((i % 100))
	done >"$dir/copy.csv"
	for ((i = 0; i < rounds; i++)); do
		for workers in 1 2; do
			v=$("$bench/load_api" -c 4 -d "$ms" bulk "${port[plazad$workers]}" | cut -d ' ' -f 1)
			keep bulk.ours "$(awk -v r="$v" 'BEGIN { printf "%.0f", r * 1000 }')"
		done
		seconds=$( { TIMEFORMAT=%R; time "${psql[@]}" \
			-c "\\copy products(name, price) from '$dir/copy.csv' csv" >/dev/null; } 2>&1)
		keep bulk.theirs "$(awk -v n=$n -v s="$seconds" 'BEGIN { printf "%.0f", n / s }')"
	done
	printf '\nRows in bulk, a second\n'
	printf '  plazad, CSV, 1000 rows a request, 4 connections %10.0f\n' "$(most bulk.ours)"
	printf '  psql \\copy of 100000 rows                       %10.0f\n' "$(most bulk.theirs)"
	printf '  best of each: %s\n' "$(verdict_over "$(most bulk.ours)" "$(most bulk.theirs)" 0.5)"
}

latency() {
	local r
	for ((i = 0; i < rounds; i++)); do
		keep latency.get "$(ours get 1 1 | cut -d ' ' -f 2)"
		keep latency.health "$(ours health 1 1 | cut -d ' ' -f 2)"
		r=$(bench_of get 1)
		keep latency.pgbench "$(sed -nE 's/^latency average = ([0-9.]+) ms.*/\1/p' "$dir/pgbench.out" |
			awk '{ printf "%.1f", $1 * 1000 }')"
	done
	printf '\nLatency at one client, microseconds (%s a second by pgbench)\n' "${r%.*}"
	printf '  GET /api/products/<id>, p50   %8.1f\n' "$(least latency.get)"
	printf '  GET /health, p50              %8.1f\n' "$(least latency.health)"
	printf '  pgbench, the same select      %8.1f\n' "$(least latency.pgbench)"
	printf '  of the sum of the two: %s\n' "$(verdict "$(least latency.get)" \
		"$(awk -v a="$(least latency.health)" -v b="$(least latency.pgbench)" 'BEGIN { print a + b }')" 1.2)"
}

# ---- lists beside reads and writes ----

# so that each reads far into the table, or all of it
start_lists() {
	"$bench/load_api" -c 8 -d $((ms * 3 / 2)) -p '/api/products?q=product&limit=100' \
		-p '/api/products?price.gte=500&limit=100&count=exact' \
		-p "/api/products?sort=price&limit=100&after=$deep" \
		paths "${port[plazad1]}" >"$dir/lists.out" 2>"$dir/lists.log" &
	beside=($!)
	for _ in 1 2; do
		(
			trap 'kill $!; exit' TERM
			while :; do
				curl -sSf "http://127.0.0.1:${port[plazad1]}/api/products/export?format=csv" >>"$dir/exports.csv" &
				wait $! || echo broken
			done
		) >>"$dir/exports.out" 2>>"$dir/exports.log" &
		beside+=($!)
	done
}

start_rival() {
	pgbench -n -M prepared -h "$socket" -U plaza -c 1 -j 1 -T $(((ms * 3 / 2 + 999) / 1000)) \
		-f "$dir/slow.sql" plaza >"$dir/rival.log" 2>&1 &
	beside=($!)
}

stop_beside() {
	kill -0 "${beside[0]}" 2>/dev/null || die "it has ended: $(cat "$dir/lists.log" "$dir/rival.log")"
	for p in "${beside[@]:1}"; do
		end "$p"
	done
	wait "${beside[0]}"
	beside=()
}

# aside_row WHAT FILE BEST: alone, beside, rival
aside_row() {
	local a b c
	a=$($3 "$2.alone") b=$($3 "$2.beside") c=$($3 "$2.rival")
	awk -v what="$1" -v a="$a" -v b="$b" -v c="$c" 'BEGIN {
		printf "  %-34s %9.0f %9.0f %6.2f %9.0f %6.2f\n", what, a, b, b / a, c, c / a
	}'
}

aside() {
	local mode connections where r deep
	cat >"$dir/slow.sql" <<-END
		select p.* from products p where to_tsvector('simple', p.name) @@ websearch_to_tsquery('simple', 'product')
			and p.id > 0 order by p.id limit 101;
		select p.* from products p where p.price >= 500 and p.id > 0 order by p.id limit 101;
		select count(*) from products where price >= 500;
		select p.* from products p where (p.price, p.id) > (900, 0) order by p.price, p.id limit 101;
	END
	wait_for 'the index for search' curl -sSf "http://127.0.0.1:${port[plazad1]}/api/products?q=7"
	deep=$(curl -sS "http://127.0.0.1:${port[plazad1]}/api/products?sort=price&price.gte=900&limit=1" |
		sed -nE 's/.*"next":"([^"]*)".*/\1/p')
	for ((i = 0; i < rounds; i++)); do
		for mode in get post; do
			for connections in 1 64; do
				for where in alone beside rival; do
					[ $where != beside ] || start_lists
					[ $where != rival ] || start_rival
					r=$(ours $mode $connections 1)
					[ $where = alone ] || stop_beside
					[ $where != beside ] || keep aside.lists "$(cut -d ' ' -f 1 "$dir/lists.out")"
					keep "aside.$mode.$connections.rate.$where" "$(cut -d ' ' -f 1 <<<"$r")"
					keep "aside.$mode.$connections.p50.$where" "$(cut -d ' ' -f 2 <<<"$r")"
					keep "aside.$mode.$connections.p99.$where" "$(cut -d ' ' -f 3 <<<"$r")"
				done
			done
		done
	done
	printf '\nOne worker, alone and beside lists             alone  + lists  ratio + pgbench  ratio\n'
	for mode in get post; do
		for connections in 1 64; do
			printf ' %s one, %s connection(s)\n' "${mode^^}" $connections
			aside_row 'p50, microseconds' aside.$mode.$connections.p50 least
			aside_row 'p99, microseconds' aside.$mode.$connections.p99 least
			aside_row 'a second' aside.$mode.$connections.rate most
		done
	done
	printf ' meanwhile %s to %s lists a second, %d MB exported, %d exports broken\n' "$(least aside.lists)" \
		"$(most aside.lists)" $(($(wc -c <"$dir/exports.csv") / 1000000)) "$(wc -l <"$dir/exports.out")"
}

say_machine 'The product store beside pgbench'
echo "  $(pgbench --version); $rows products; fsync and synchronous_commit on; best of $rounds rounds of $ms ms"
case $what in
get | all | quick) rate 'GET one product, random ids' get 1.5 8 16 32 64 ;;&
post | all | quick) rate 'POST one product, durable' post 3 16 32 64 128 ;;&
list | all | quick) rate 'A list of 100, from anywhere' list 0.8 2 8 32 ;;&
list | all | quick) rate 'A list of 100, the first for all: who waits for the same shares it' first 0.8 2 8 32 ;;&
bulk | all | quick) bulk ;;&
latency | all | quick) latency ;;&
aside | all | quick) aside ;;
esac
