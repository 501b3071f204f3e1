#!/bin/sh
# sources.sh - Makefile.am knows every source file, and each unit test is linked with just what its
# "links:" comment says: sources, and lists of them such as $(door).
set -eu
cd "${srcdir:-.}"
LC_ALL=C
export LC_ALL
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
status=0

# one variable a line
sed -e ':join' -e '/\\$/{N;s/\\\n[[:space:]]*/ /;b join' -e '}' Makefile.am >"$dir/makefile"
sed -n 's/^[A-Za-z0-9_]* *+\{0,1\}= *//p' "$dir/makefile" | tr ' ' '\n' | sort -u >"$dir/named"
find src tests -name '*.[ch]' -o -name '*.def' | sort >"$dir/there"
if comm -23 "$dir/there" "$dir/named" | grep .; then
	echo "these are not in Makefile.am"
	status=1
fi

for test in tests/unit/test_*.c; do
	variable=$(echo "${test%.c}" | tr -c 'a-zA-Z0-9\n' _)_SOURCES
	awk '/^\/\* links:/ { on = 1 }
		on { for (i = 1; i <= NF; i++) if ($i ~ /\.[ch]$|^\$\(/) print $i }
		/\*\// { on = 0 }' "$test" | sort -u >"$dir/wanted"
	sed -n "s/^$variable = //p" "$dir/makefile" | tr ' ' '\n' | grep -E '\.[ch]$|^\$\(' |
		grep -Fxv "$test" | sort -u >"$dir/linked" || :
	if ! cmp -s "$dir/wanted" "$dir/linked"; then
		echo "$test: its comment (<) and $variable (>) differ:"
		diff "$dir/wanted" "$dir/linked" | grep '^[<>]' || :
		status=1
	fi
done
exit $status
