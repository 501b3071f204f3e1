#!/bin/sh
# layers.sh - includes and calls point down only: the layers of src/, who may include what, no circles
# among files, and each outside library behind the folders that are there for it.
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
		may["openapi"] = "base config proc http openapi"
		may["store"]  = "base config proc http pg store"
		may["fetch"]  = "base config proc http fetch"
		may["queue"]  = "base config proc pg queue"
		may["jobs"]   = "base config proc http pg fetch queue jobs"
		may["ctl"]    = "base ctl"
		# main.c, master.c, worker.c ...: they wire everything, and nobody below includes them
		may["."]      = ". base config proc http pg greet hub openapi store fetch queue jobs ctl"
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

# a file that needs itself, over however many others: X.c and X.h are one, X, and X -> Y when X
# includes "Y.h" or names a function that Y.c defines, whichever header declares it
{
	awk -F: '{
		from = $1
		to = $3
		sub(/^src\//, "", from)
		sub(/\.[a-z]*$/, "", from)
		sub(/\.[a-z]*$/, "", to)
		if (from != to)
			print from, to, $1 ":" $2 " includes \"" $3 "\""
	}' "$out.quoted"
	# definitions are found by the return type on a line of its own; sources are read twice
	find src -name '*.[ch]' | sort >"$out.files"
	awk -v list="$out.files" '
		BEGIN {
			while ((getline name <list) > 0)
				file[files++] = name
			for (i = 0; i < 2 * files; i++)
				ARGV[ARGC++] = file[i % files]
		}
		FNR == 1 {
			stem = FILENAME
			sub(/^src\//, "", stem)
			sub(/\.[a-z]*$/, "", stem)
			above = ""
			comment = 0
			pass = (FILENAME in seen) ? 2 : 1
			seen[FILENAME] = 1
		}
		{
			gsub(/"([^"\\]|\\.)*"/, "\"\"")
			gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, "")
			if (comment && sub(/.*\*\//, ""))
				comment = 0
			if (comment)
				next
			if (sub(/\/\*.*/, ""))
				comment = 1
		}
		pass == 1 && /^[a-z_][a-z0-9_]*\(/ && FILENAME ~ /\.c$/ {
			name = $0
			sub(/\(.*/, "", name)
			if (above ~ /^static/)
				own[stem, name] = 1
			else if (name in by)
				twice[name] = 1
			else
				by[name] = stem
		}
		pass == 2 && !/^[[:space:]]*#/ && FILENAME ~ /\.c$/ {
			gsub(/(->|\.|struct |enum )[[:space:]]*[A-Za-z0-9_]+/, " ")
			n = split($0, word, /[^A-Za-z0-9_]+/)
			for (i = 1; i <= n; i++) {
				if (!(word[i] in by) || by[word[i]] == stem || (stem, word[i]) in own)
					continue
				# two programs in one tree: which of them is meant?
				if (word[i] in twice)
					continue
				print stem, by[word[i]], FILENAME ":" FNR " names " word[i]
			}
		}
		{ above = $0 }
	'
} | awk '
	{
		why = $0
		sub(/^[^ ]+ [^ ]+ /, "", why)
		if (($1, $2) in reason)
			next
		reason[$1, $2] = why
		to[$1, ++n[$1]] = $2
		if (!($1 in state)) {
			state[$1] = "new"
			node[++nodes] = $1
		}
	}
	# depth first; `path` is the way to where we are
	function visit(at, depth, i, j, next_one, text) {
		state[at] = "open"
		path[depth] = at
		for (i = 1; i <= n[at]; i++) {
			next_one = to[at, i]
			if (state[next_one] == "new")
				visit(next_one, depth + 1)
			if (state[next_one] != "open")
				continue
			for (j = depth; path[j] != next_one; j--)
				;
			text = next_one
			path[depth + 1] = next_one
			for (++j; j <= depth + 1; j++)
				text = text " -> " path[j]
			print "circle: " text
			for (j = depth; j >= 1; j--) {
				print "    " reason[path[j], path[j + 1]]
				if (path[j] == next_one)
					break
			}
		}
		state[at] = "done"
	}
	END {
		for (k = 1; k <= nodes; k++)
			if (state[node[k]] == "new")
				visit(node[k], 1)
	}
' >>"$out"

awk -F: '
	function only(header, where, why) {
		if ($3 ~ header && $1 !~ where)
			print $1 ":" $2 ": <" $3 "> belongs to " why
	}
	{
		only("^event2/", "^src/(base/|main.c)", "base/loop.h")
		only("^libpq-fe.h$", "^src/(pg/|config/|main.c|check.c|version)", "pg/")
		only("^libwebsockets.h$", "^src/(hub/ws.c|ctl/|plazactl.c|main.c|version)", "hub/ws.c and ctl/")
		only("^zlib.h$", "^src/(http/gzip.c|hub/inflater.c|hub/wire.c|main.c|version)", \
			"http/gzip.c, hub/inflater.c and hub/wire.c")
		only("^xxhash.h$", "^src/(http/etag.c|hub/log_record.c)", "http/etag.c and hub/log_record.c")
		only("^openssl/", "^src/(pg/steps.c|store/idempotency.c|main.c|version)", \
			"pg/steps.c and store/idempotency.c")
		only("^curl/", "^src/(ctl/api.c|plazactl.c|fetch/transfer_[a-z]+.[ch]|version)", "ctl/api.c and fetch/transfer*")
		only("^ini_config", "^src/(config/|main.c|version)", "config/")
	}
' "$out.angled" >>"$out"

cat "$out"
[ ! -s "$out" ]
