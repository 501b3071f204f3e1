#!/bin/sh
# client.sh - the JavaScript client against a hub and a clock of the test's own: client_test.mjs.
set -eu
cd "${srcdir:-.}"

command -v node >/dev/null || {
	echo "no node: apt-get install nodejs" >&2
	exit 1
}
# one that waits for what never comes would hang
exec timeout -k 5 60 node --test tests/browser/client_test.mjs
