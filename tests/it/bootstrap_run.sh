#!/bin/bash
# bootstrap_run.sh - ./bootstrap run as a newcomer meets it: with its port taken, the lines that it
# prints, Ctrl-C, and a second time with the data of the first. Works on a copy of the checkout, so
# that a developer's own data stays as it is. Called by .ci/run; not a part of make check, which
# ./bootstrap itself calls.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

copy=$(mktemp -d)
log=$copy/run.log
holder=
runner=

# shellcheck disable=SC2317 # called by the trap
cleanup()
{
	[ -z "$runner" ] || kill -TERM "$runner" 2>/dev/null || :
	[ -z "$runner" ] || wait "$runner" || :
	[ -z "$holder" ] || kill -TERM "$holder" 2>/dev/null || :
	[ -z "$holder" ] || wait "$holder" || :
	case $(cat "$copy/plaza/var/root-home" 2>/dev/null) in
	/var/tmp/plaza.*) rm -rf "$(cat "$copy/plaza/var/root-home")" ;;
	esac
	rm -rf "$copy"
}
trap cleanup EXIT

fail()
{
	printf 'bootstrap_run.sh: %s\n' "$*"
	[ ! -e "$log" ] || cat "$log"
	exit 1
}

# wait_for TEXT FILE PROCESS: until the file holds it, for a minute, and while the process is there
wait_for()
{
	local until=$((SECONDS + 60))
	exec 6<> <(:)
	until grep -q -- "$1" "$2" 2>/dev/null; do
		kill -0 "$3" 2>/dev/null || fail "ended before it said '$1'"
		[ "$SECONDS" -lt "$until" ] || fail "does not say '$1'"
		read -r -t 0.1 -u 6 || :
	done
}

expect()
{
	[ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# begin: starts it, and sets at to its address
begin()
{
	: >"$log"
	./bootstrap run </dev/null >"$log" 2>&1 &
	runner=$!
	wait_for 'Ctrl-C stops it' "$log" "$runner"
	at=$(sed -nE 's|^ *curl (http://[^/]*)/Ada$|\1|p' "$log" | head -n 1)
	[ -n "$at" ] || fail 'prints no address to try'
}

# end SIGNAL: stops it; nothing that it started may be left
end()
{
	local mine
	mine=$(sed -nE 's|^.*Products and jobs stay in (.*)/pg\.$|\1|p' "$log")
	kill "-$1" "$runner"
	wait "$runner" || :
	runner=
	grep -q 'master info: stopped' "$log" || fail 'the daemon has not stopped in order'
	[ -n "$mine" ] || fail 'does not say where the products stay'
	! pgrep -f -- "$mine" >/dev/null || fail "left running: $(pgrep -af -- "$mine")"
}

mkdir "$copy/plaza"
tar -c --exclude=./var --exclude='./build-[sv]*' --exclude=./.git . | tar -x -C "$copy/plaza"
cd "$copy/plaza"

# somebody has the port; if it is not we, all the better
src/plazad -o server.listen=127.0.0.1:8080 -o server.workers=1 2>"$copy/holder.log" &
holder=$!
until_taken=$((SECONDS + 20))
until (exec 7<>/dev/tcp/127.0.0.1/8080) 2>/dev/null; do
	[ "$SECONDS" -lt "$until_taken" ] || fail 'port 8080 cannot be taken'
done

# a background job of a script ignores SIGINT unless it has job control
set -m
begin
grep -q '^Port 8080 is taken by .*; trying the next one\.$' "$log" || fail 'does not say that 8080 is taken'
case $at in *:8080) fail 'took a port that was taken' ;; esac
expect greeting 'Hello, Ada' "$(curl -s "$at/Ada")"
expect created '{"id":1,"name":"iPhone 12","price":999.99,"version":1}' \
	"$(curl -s --json '{"name":"iPhone 12","price":999.99}' "$at/api/products")"
expect listed '{"items":[{"id":1,"name":"iPhone 12","price":999.99,"version":1}],"next":null}' \
	"$(curl -s "$at/api/products")"
expect echoed "$(seq -f 'Server received: Message %g' 0 4)" \
	"$(seq -f 'Message %g' 0 4 | src/plazactl ws "ws://${at#http://}/echo")"
# README's way to the database
psql=$(sed -n 's/^    \$ \(psql .*\)$/\1/p' README)
case $psql in
*'cat var/sockets'*) ;;
*) fail "README does not say how to come to the database: $psql" ;;
esac
if [ "$(id -u)" -eq 0 ]; then
	owner=postgres
	id -u "$owner" >/dev/null 2>&1 || owner=nobody
	psql="runuser -u $owner -- $psql"
fi
expect 'select as README has it' '1' "$(bash -c "$psql -At" | grep -cE '^1\|iPhone 12\|999\.99\|')"
if [ "$(id -u)" -eq 0 ]; then
	master=$(pgrep -f '^plazad: master' | while read -r pid; do
		# another plazad of this machine is none of ours
		! readlink "/proc/$pid/exe" | grep -q '^/var/tmp/plaza\.' || stat -c %u "/proc/$pid"
	done | sort -u)
	case $master in
	'' | 0) fail "as root the daemon runs as uid ${master:-?}" ;;
	esac
fi
end INT

begin
! grep -q 'Making a PostgreSQL cluster' "$log" || fail 'makes another cluster the second time'
expect kept '{"id":1,"name":"iPhone 12","price":999.99,"version":1}' "$(curl -s "$at/api/products/1")"
end TERM
echo 'bootstrap run: taken port, examples, Ctrl-C, kept data: passed'
