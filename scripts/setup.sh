#!/bin/sh
# Make .venv and install Driftline into it: sh scripts/setup.sh demo|dev
#
# Needs Python 3.11 or newer with its venv module and a package index; whatever is missing is said in one sentence.
# A stamp in .venv remembers which pyproject.toml was installed, so that the next call takes no time.
set -u
cd "$(dirname "$0")/.." || exit 1

wanted=$1 # demo: what `driftline demo` needs; dev: that and the tools of the tests
log=.venv/setup.log

fail() {
    echo "driftline: $1" >&2
    exit 1
}

recent_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

stamp=".venv/installed-$wanted"
installed="$(cksum <pyproject.toml) $PWD"
if [ "$(cat "$stamp" 2>/dev/null)" = "$installed" ] && recent_enough .venv/bin/python; then
    exit 0
fi

if ! recent_enough .venv/bin/python; then
    python=
    for candidate in ${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14 python}; do
        if recent_enough "$candidate"; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        found=$(${PYTHON:-python3} --version 2>/dev/null || echo none)
        fail "Python 3.11 or newer is missing (found: $found); install it from https://www.python.org/downloads/ or name one: make PYTHON=/path/to/python3.12"
    fi
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python cannot make a virtual environment because its venv or ensurepip module is missing; on Debian and Ubuntu: apt install python3-venv"
    "$python" -m venv --clear .venv || fail "$python could not make the virtual environment .venv; the line above says why"
fi

echo "Setting up .venv (once; a minute or two) ..."

install() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@" >"$log" 2>&1 && return
    if grep -qiE 'name resolution|Failed to establish|Connection refused|ProxyError|timed out|Network is unreachable|SSLError' "$log"; then
        fail "no package index can be reached; check the network, or set HTTPS_PROXY or PIP_INDEX_URL (pip's words: $log)"
    elif grep -qiE 'Failed building wheel|Failed to build|error: command .*(gcc|cc|clang)' "$log"; then
        fail "a dependency has no wheel for this machine and no compiler could build it; install one (pip's words: $log)"
    fi
    fail "pip could not install the dependencies: $(grep -m 1 ERROR "$log") (all of pip's words: $log)"
}

install --upgrade 'pip>=25.1' # the first that knows dependency groups
case $wanted in
demo) install --editable '.[demo]' ;;
dev) install --editable '.[demo]' --group dev --group instrumentation ;;
*) fail "setup.sh takes demo or dev, not '$wanted'" ;;
esac
echo "$installed" >.venv/installed-demo # dev has all that demo has
echo "$installed" >"$stamp"
