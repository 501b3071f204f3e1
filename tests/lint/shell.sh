#!/bin/sh
# shell.sh - shellcheck has nothing to say about our scripts.
set -eu
cd "${srcdir:-.}"

command -v shellcheck >/dev/null || {
	echo "no shellcheck: apt-get install shellcheck" >&2
	exit 1
}
find bootstrap .ci/run tests -type f \( -name bootstrap -o -name run -o -name '*.sh' \) -print0 |
	sort -z | xargs -0 -r shellcheck -x
