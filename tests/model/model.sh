#!/bin/sh
# model.sh - spin goes through every interleaving of log.pml, and finds what is wrong with it when one
# of the steps that matter is left out.
set -eu
cd "${srcdir:-.}"
model=$PWD/tests/model/log.pml
for tool in spin gcc; do
	command -v $tool >/dev/null || {
		echo "no $tool: apt-get install $tool" >&2
		exit 1
	}
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# verify [DEFINE]: the number of errors that spin finds with it, or how far it came
verify() {
	rm -f pan* ./*.trail
	spin -a ${1:+"-D$1"} "$model" >spin.out 2>&1 || {
		cat spin.out
		exit 1
	}
	gcc -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=512 -o pan pan.c
	./pan -m1000000 -w24 >pan.out 2>&1 || :
	grep -q '^max search depth too small' pan.out && echo "too deep"
	sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.out
}

errors=$(verify "")
[ "$errors" = 0 ] || {
	cat pan.out
	[ ! -e log.pml.trail ] || spin -t -p -g "$model" | tail -100
	echo "log.pml: errors: $errors"
	exit 1
}
grep 'states, stored' pan.out
for broken in BREAK_HEAD BREAK_COMMIT BREAK_LOOK BREAK_HEAD_CHECK BREAK_RING_CHECK \
	BREAK_RECOVERY BREAK_SLEEP; do
	[ "$(verify $broken)" = 1 ] || {
		cat pan.out
		echo "log.pml: spin finds nothing wrong with $broken"
		exit 1
	}
done
