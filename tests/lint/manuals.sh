#!/bin/sh
# manuals.sh - the manuals are correct mdoc, in the order and with the sections of mdoc(7).
set -eu
cd "${srcdir:-.}"

command -v mandoc >/dev/null || {
	echo "no mandoc: apt-get install mandoc" >&2
	exit 1
}
status=0
for manual in man/*.[1-9]; do
	# whether a manual is installed that ours refers to says nothing about ours
	if mandoc -Tlint -Wstyle "$manual" | grep -v 'referenced manual not found'; then
		status=1
	fi
done
exit $status
