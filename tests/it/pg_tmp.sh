#!/bin/sh
# pg_tmp.sh - a private PostgreSQL for tests: unix socket only, trust, nothing of the system's.
#
#   pg_tmp.sh start DIR [name=value]...   initdb in DIR (new or empty), start, make user and db plaza
#   pg_tmp.sh standby DIR OF [name=value]...   a streaming replica in DIR of the one in OF; start
#   pg_tmp.sh promote DIR                 a standby becomes a primary
#   pg_tmp.sh stop DIR                    orderly
#   pg_tmp.sh kill DIR                    kill -9 of the postmaster and all its children
#   pg_tmp.sh restart DIR                 start again, after stopping what still runs
#   pg_tmp.sh pause DIR | resume DIR      SIGSTOP or SIGCONT to all of them
#   pg_tmp.sh remove DIR                  kill, then delete DIR
#
# Each prints the socket directory, DIR/s. Connect with "host=DIR/s dbname=plaza user=plaza"; the
# superuser is postgres. As root the cluster runs as the user postgres (else nobody), so DIR must be
# where that user can go: below /tmp or /var/tmp. Settings after DIR go to postgresql.conf.
set -eu

die()
{
	echo "pg_tmp.sh: $*" >&2
	exit 1
}

[ $# -ge 2 ] || die "usage: pg_tmp.sh start|standby|promote|stop|kill|restart|pause|resume|remove DIR"
verb=$1
dir=$2
shift 2
case $dir in
/*) ;;
*) dir=$PWD/$dir ;;
esac
data=$dir/data
# the longest unix socket path is 107 bytes
[ ${#dir} -le 85 ] || die "$dir: too long for a socket path, at most 85 bytes"
cd /
unset PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGPASSFILE PGSERVICE PGSERVICEFILE PGOPTIONS \
	PGDATA PGSSLMODE PGAPPNAME

bin=
# the newest one; Debian keeps it out of PATH
for b in /usr/lib/postgresql/?/bin /usr/lib/postgresql/??/bin; do
	[ ! -x "$b/initdb" ] || bin=$b
done
[ -n "$bin" ] || bin=$(pg_config --bindir 2>/dev/null) || bin=
[ -x "$bin/initdb" ] || die "no initdb; install the package postgresql"

if [ "$(id -u)" -eq 0 ]; then
	owner=postgres
	id -u postgres >/dev/null 2>&1 || owner=nobody
	as_owner="setpriv --reuid=$(id -u $owner) --regid=$(id -g $owner) --clear-groups --"
else
	owner=
	as_owner=
fi

postmaster()
{
	[ -f "$data/postmaster.pid" ] || return 1
	pid=$(head -n 1 "$data/postmaster.pid")
	# a pid file may outlive its process, and its number be somebody else's by now
	[ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$data" ] || return 1
	echo "$pid"
}

# the postmaster first, or it would make new children
family()
{
	echo "$1"
	cat "/proc/$1/task/$1/children" 2>/dev/null || ps -o pid= --ppid "$1"
}

signal_all()
{
	# shellcheck disable=SC2046 # a list of numbers
	kill "-$1" $(family "$2") 2>/dev/null || :
}

start_server()
{
	$as_owner "$bin/pg_ctl" start -s -w -t 60 -D "$data" -l "$dir/log" </dev/null >/dev/null ||
		die "PostgreSQL did not start: $(tail -n 5 "$dir/log" 2>/dev/null)"
}

stop_server()
{
	pid=$(postmaster) || return 0
	signal_all CONT "$pid"
	$as_owner "$bin/pg_ctl" stop -s -w -t 60 -m fast -D "$data" || die "PostgreSQL did not stop"
}

kill_server()
{
	pid=$(postmaster) || return 0
	pids=$(family "$pid")
	# shellcheck disable=SC2086
	kill -9 $pids 2>/dev/null || :
	# gone means: a new postmaster finds nobody in the old one's shared memory
	tries=0
	for p in $pids; do
		while [ -e "/proc/$p/exe" ] && kill -0 "$p" 2>/dev/null; do
			tries=$((tries + 1))
			[ $tries -le 1000 ] || die "process $p does not die"
			sleep 0.01
		done
	done
	# where nobody reaps orphans their numbers stay, and lock files would seem to be held
	rm -f "$data/postmaster.pid" "$dir"/s/.s.PGSQL.*.lock
}

make_dir()
{
	[ ! -e "$data" ] || die "$dir: has a cluster already; use restart or remove"
	mkdir -p "$dir/s"
	: >"$dir/.pg_tmp"
	chmod 755 "$dir" "$dir/s"
	[ -z "$owner" ] || chown -R "$owner" "$dir"
}

case $verb in
start)
	make_dir
	$as_owner "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --no-locale --no-sync \
		--no-instructions >"$dir/initdb.log" 2>&1 || die "initdb: $(tail -n 5 "$dir/initdb.log")"
	{
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$dir/s'"
		echo "fsync = off"
		echo "full_page_writes = off"
		echo "shared_buffers = 32MB"
		echo "log_line_prefix = '%m [%p] %a '"
		for setting in "$@"; do
			echo "${setting%%=*} = '${setting#*=}'"
		done
	} >>"$data/postgresql.conf"
	start_server
	port=5432
	for setting in "$@"; do
		case $setting in
		port=*) port=${setting#port=} ;;
		esac
	done
	"$bin/psql" -q -X -v ON_ERROR_STOP=1 -h "$dir/s" -p "$port" -U postgres -d postgres \
		-c 'create role plaza login' -c 'create database plaza owner plaza' >/dev/null
	;;
standby)
	of=$1
	shift
	make_dir
	$as_owner "$bin/pg_basebackup" -h "$of/s" -U postgres -D "$data" -R -c fast \
		>"$dir/backup.log" 2>&1 || die "pg_basebackup: $(tail -n 5 "$dir/backup.log")"
	{
		echo "unix_socket_directories = '$dir/s'"
		for setting in "$@"; do
			echo "${setting%%=*} = '${setting#*=}'"
		done
	} >>"$data/postgresql.conf"
	start_server
	;;
promote)
	$as_owner "$bin/pg_ctl" promote -s -w -t 60 -D "$data" || die "PostgreSQL is not promoted"
	;;
stop)
	stop_server
	;;
kill)
	kill_server
	;;
restart)
	stop_server
	start_server
	;;
pause)
	pid=$(postmaster) || die "$dir: not running"
	signal_all STOP "$pid"
	;;
resume)
	pid=$(postmaster) || die "$dir: not running"
	signal_all CONT "$pid"
	;;
remove)
	[ -e "$dir" ] || exit 0
	[ -e "$dir/.pg_tmp" ] || die "$dir: not made by pg_tmp.sh"
	kill_server
	rm -rf "$dir"
	;;
*)
	die "unknown verb $verb"
	;;
esac
echo "$dir/s"
