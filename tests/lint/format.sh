#!/bin/sh
# format.sh - the C files are as clang-format 14 would write them.  clang-format -i FILE mends one.
set -eu
cd "${srcdir:-.}"

clang_format=
for name in clang-format-14 clang-format; do
	if command -v $name >/dev/null; then
		clang_format=$name
		break
	fi
done
[ -n "$clang_format" ] || {
	echo "no clang-format: apt-get install clang-format" >&2
	exit 1
}
# other versions differ in places, and then two people would undo each other's lines
$clang_format --version | grep -q 'version 14\.' || {
	echo "this is $($clang_format --version); the files are formatted with version 14" >&2
	exit 1
}
find src tests -name '*.[ch]' -print0 | sort -z | xargs -0 -r "$clang_format" --dry-run -Werror
