#!/bin/sh
# layers.sh - includes point down only: the layers of src/, who may include what, no cycles, and
# each outside library behind the folders that are there for it.
set -eu
cd "${srcdir:-.}"
LC_ALL=C
export LC_ALL
out=$(mktemp)
trap 'rm -f "$out" "$out".*' EXIT

# path:line:included, for every #include "..." below src
grep -rn --include='*.c' --include='*.h' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' src |
	sed 's/^\([^:]*:[^:]*\):[^"]*"\([^"]*\)".*/\1:\2/' | sort >"$out.quoted"
grep -rn --include='*.c' --include='*.h' '^[[:space:]]*#[[:space:]]*include[[:space:]]*<' src |
	sed 's/^\([^:]*:[^:]*\):[^<]*<\([^>]*\)>.*/\1:\2/' | sort >"$out.angled"
[ -s "$out.quoted" ] || {
	echo "layers.sh: no includes found below src" >&2
	exit 1
}

awk -F: '
	BEGIN {
		may["base"]   = "base"
		may["config"] = "base config"
		may["proc"]   = "base config proc"
		may["http"]   = "base config proc http"
		may["pg"]     = "base config proc pg"
		may["greet"]  = "base config proc http pg greet"
		may["hub"]    = "base config proc http pg hub"
		may["store"]  = "base config proc http pg store"
		may["jobs"]   = "base config proc http pg jobs"
		may["ctl"]    = "base ctl"
		# main.c, master.c, worker.c ...: they wire everything, and nobody below includes them
		may["."]      = ". base config proc http pg greet hub store jobs ctl"
	}
	function folder(path) {
		return path ~ /\// ? substr(path, 1, index(path, "/") - 1) : "."
	}
	{
		from = $1
		sub(/^src\//, "", from)
		layer = folder(from)
		if (!(layer in may)) {
			print $1 ": the folder " layer " has no place among the layers (tests/lint/layers.sh)"
			next
		}
		if (index(" " may[layer] " ", " " folder($3) " ") == 0)
			print $1 ":" $2 ": " layer "/ includes \"" $3 "\"; it may include only: " may[layer]
		if (system("test -e src/" $3) != 0)
			print $1 ":" $2 ": \"" $3 "\" is not below src; include by the path from there"
	}
' "$out.quoted" >"$out"

# a header that needs itself, over however many others
sed -n 's/^src\/\([^:]*\.h\):[^:]*:\(.*\)/\1 \2/p' "$out.quoted" | tsort >/dev/null 2>"$out.cycles" ||
	sed 's/^/cycle: /' "$out.cycles" >>"$out"

awk -F: '
	function only(header, where, why) {
		if ($3 ~ header && $1 !~ where)
			print $1 ":" $2 ": <" $3 "> belongs to " why
	}
	{
		only("^event2/", "^src/(base/|main.c)", "base/loop.h")
		only("^libpq-fe.h$", "^src/(pg/|config/|main.c|check.c|version)", "pg/")
		only("^libwebsockets.h$", "^src/(hub/ws.c|ctl/|plazactl.c|main.c|version)", "hub/ws.c and ctl/")
		only("^ini_config", "^src/(config/|main.c|version)", "config/")
	}
' "$out.angled" >>"$out"

cat "$out"
[ ! -s "$out" ]
