#!/bin/sh
# it_install.sh - make install puts everything where README and the manuals say, leaves an operator's
# conf file alone, and make uninstall takes away what was put there.
set -eu
cd "${builddir:-.}"
srcdir=${srcdir:-$PWD}
# the jobs of the make that runs the tests are not ours
unset MAKEFLAGS MFLAGS MAKELEVEL

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail()
{
	printf '%s\n' "$*"
	exit 1
}
install()
{
	make -s install DESTDIR="$dir" prefix=/usr sysconfdir=/etc systemdsystemunitdir=/lib/systemd/system \
		sysusersdir=/usr/lib/sysusers.d >"$dir.log" 2>&1 || fail "make install: $(cat "$dir.log")"
	rm -f "$dir.log"
}

install
(cd "$dir" && find . -type f | sort) >"$dir.found"
cat >"$dir.wanted" <<'END'
./etc/plaza/plaza.conf
./lib/systemd/system/plazad.service
./usr/bin/plazactl
./usr/lib/sysusers.d/plaza.conf
./usr/sbin/plazad
./usr/share/doc/plaza/nginx-plaza.conf
./usr/share/doc/plaza/plaza-chat.js
./usr/share/man/man1/plazactl.1
./usr/share/man/man5/plaza.conf.5
./usr/share/man/man7/plaza-api.7
./usr/share/man/man7/plaza-chat.7
./usr/share/man/man8/plazad.8
END
diff "$dir.wanted" "$dir.found" || fail "installed files differ (<: missing, >: not expected)"
rm -f "$dir.wanted" "$dir.found"
grep -q '^ExecStart=/usr/sbin/plazad$' "$dir/lib/systemd/system/plazad.service" || fail "ExecStart is wrong"
js=$(sed -n 's/^[[:space:]]*alias \(.*\);$/\1/p' "$dir/usr/share/doc/plaza/nginx-plaza.conf")
cmp -s "$srcdir/src/js/plaza-chat.js" "$dir$js" || fail "nginx-plaza.conf does not find the client at $js"
"$dir/usr/sbin/plazad" -t -c "$dir/etc/plaza/plaza.conf" >/dev/null || fail "the installed conf file is refused"

# README's line that names the database
line=$(sed -n 's/^    # \(sed -i .*\) \/etc\/plaza\/plaza.conf$/\1/p' "$srcdir/README")
[ -n "$line" ] || fail "README has no sed line for the database"
sh -c "$line $dir/etc/plaza/plaza.conf"
"$dir/usr/sbin/plazad" -T -c "$dir/etc/plaza/plaza.conf" | grep -q '^database = host=/run/postgresql dbname=plaza' ||
	fail "README's sed line does not set the database"

install
grep -q '^database = host=' "$dir/etc/plaza/plaza.conf" || fail "make install wrote over a changed conf file"
make -s uninstall DESTDIR="$dir" prefix=/usr sysconfdir=/etc systemdsystemunitdir=/lib/systemd/system \
	sysusersdir=/usr/lib/sysusers.d >/dev/null
left=$(cd "$dir" && find . -type f)
[ "$left" = ./etc/plaza/plaza.conf ] || fail "left by make uninstall: $left"
