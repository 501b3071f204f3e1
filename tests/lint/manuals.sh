#!/bin/sh
# manuals.sh - the manuals are correct mdoc, in the order and with the sections of mdoc(7), and tell
# every type of problem that there is.
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
# missing PAGE FOLDER...: the types of problems of these that do not stand on the page
missing()
{
	page=$1
	shift
	grep -rhoE '\btype = "[a-z-]+"' "$@" | sed 's/.*"\(.*\)"/\1/' | sort -u | while read -r type; do
		grep -qE "(^|[ ,])$type( |,|\$)" "$page" || echo "$page: the problem $type is missing"
	done
}
if {
	missing man/plaza-api.7 src/store src/openapi src/greet src/http/json_body.c
	missing man/plaza-chat.7 src/hub
} | grep .; then
	status=1
fi
exit $status
