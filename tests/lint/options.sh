#!/bin/sh
# options.sh - options.def, conf/plaza.conf and man/plaza.conf.5 name the same options, in the same
# order, with the same defaults; and the manual has the same ranges and words on reload. Shows what
# differs.
set -eu
cd "${srcdir:-.}"
LC_ALL=C
export LC_ALL
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
status=0

# OPTION(section, name, type, "default", "min", "max", reload, "text"), over two lines each:
# section.name <tab> type <tab> default <tab> min <tab> max <tab> reload
def=src/config/options.def
awk '
	/^OPTION\(/ {
		head = $0
		sub(/^OPTION\(/, "", head)
		n = split(head, quoted, "\"") # the default, min and max are quoted[2], [4], [6]
		split(quoted[1], word, /, */)
		split(quoted[7], tail, /, */)
		if (n < 7 || word[3] == "" || tail[2] == "") {
			print FILENAME ":" NR ": this test cannot read it: " $0 >"/dev/stderr"
			exit 1
		}
		printf "%s.%s\t%s\t%s\t%s\t%s\t%s\n", word[1], word[2], word[3], quoted[2], \
			quoted[4], quoted[6], tail[2]
	}
' "$def" >"$out/def"

# section.name = default
awk -F'\t' '{ print $1 " =" ($3 == "" ? "" : " " $3) }' "$out/def" >"$out/want"

# An option is commented out without a blank behind the #; prose has one.
awk '
	/^\[[a-z]+\]$/ { section = substr($0, 2, length($0) - 2); next }
	/^#[a-z_]+ =/ { print section "." substr($0, 2); next }
	/^# / || /^#$/ || /^$/ { next }
	{ print "line " NR " is neither a comment nor an option: " $0 }
' conf/plaza.conf >"$out/conf"

# .Ss The [section] section, then for each option
#   .It Ic name = ...
#   (default ...; range or words; reload or restart)
awk -v facts="$out/facts" '
	/^\.Ss The \[/ { section = substr($3, 2, length($3) - 2) }
	/^\.It Ic / { name = section "." $3 }
	/^\(default / && name != "" {
		line = substr($0, 10, length($0) - 10)
		semicolon = index(line, "; ")
		value = substr(line, 1, semicolon - 1)
		print name " =" (value == "empty" ? "" : " " value)
		print name " " substr(line, semicolon + 2) >facts
		name = ""
	}
' man/plaza.conf.5 >"$out/man"
awk -F'\t' '{
	range = $2 == "CHOICE" ? $4 : $4 == "" ? "" : $4 " to " $5
	gsub(/\|/, " ", range)
	print $1 " " (range == "" ? "" : range "; ") ($6 == "RESTART" ? "restart" : "reload")
}' "$out/def" >"$out/want.facts"

# compare WANT FOUND NAME
compare() {
	if ! diff -u "$1" "$2" >"$out/diff"; then
		echo "$def (-) and $3 (+) differ:"
		grep '^[-+ ]' "$out/diff" | sed 1,2d
		status=1
	fi
}

[ -s "$out/want" ] || {
	echo "$def: no option found" >&2
	exit 1
}
compare "$out/want" "$out/conf" conf/plaza.conf
compare "$out/want" "$out/man" man/plaza.conf.5
compare "$out/want.facts" "$out/facts" "man/plaza.conf.5, in ranges or reload,"
exit $status
