#!/bin/sh
# browser.sh - the JavaScript client in Chromium, against the daemon and behind nginx: browser_test.mjs.
# What it takes from npm goes below the build directory, of the version in package-lock.json.
set -eu
srcdir=$(cd "${srcdir:-.}" && pwd)
builddir=$(cd "${builddir:-.}" && pwd)

for tool in chromium nginx node npm; do
	# nginx may be where only root looks
	PATH=$PATH:/usr/sbin command -v $tool >/dev/null || {
		echo "no $tool: apt-get install $tool" | sed 's/install node$/install nodejs/' >&2
		exit 1
	}
done

modules=$builddir/var/browser
mkdir -p "$modules"
if ! cmp -s "$srcdir/tests/browser/package-lock.json" "$modules/installed.json"; then
	rm -rf "$modules/node_modules" "$modules/installed.json"
	cp "$srcdir/tests/browser/package.json" "$srcdir/tests/browser/package-lock.json" "$modules"
	(cd "$modules" && timeout -k 5 120 npm ci --prefer-offline --no-audit --no-fund --ignore-scripts \
		>"$modules/npm.log" 2>&1 </dev/null) || {
		cat "$modules/npm.log"
		echo "npm has not brought playwright-core; without it there is no browser to be told what to do" >&2
		# no network is no mistake of ours
		exit 77
	}
	cp "$modules/package-lock.json" "$modules/installed.json"
fi

MODULES=$modules PATH=$PATH:/usr/sbin \
	exec timeout -k 10 180 node "$srcdir/tests/browser/browser_test.mjs" "$@"
