#!/bin/sh
# Install the frameworks that are too large for `make test`, and run the tests that need them: sh scripts/frameworks.sh [pytest's arguments]
#
# PyTorch comes as the package index has it: for Linux with CUDA, 3 GB. IF_AVAILABLE=1, for CI, takes PyTorch only
# without CUDA. What cannot be had then is a line that begins with NOT RUN; without it, the command fails.
set -u
cd "$(dirname "$0")/.." || exit 1

if_available=${IF_AVAILABLE:-}
torch_index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
python=.venv-frameworks/bin/python
log=.venv-frameworks/install.log

# Of five thousand files few are imported; each is compiled then.
install() {
    "$python" -m pip install --quiet --disable-pip-version-check --no-compile "$@" >"$log" 2>&1
}

not_run() {
    echo "NOT RUN: $1: $(grep -m 1 ERROR "$log" || echo "pip could not install $2") (all of pip's words: $log)" >&2
}

# What .venv has is not installed again: its packages are found behind those that are installed here.
.venv/bin/python -m venv .venv-frameworks || exit 1
packages='import sysconfig; print(sysconfig.get_path("purelib"))'
behind=$(.venv/bin/python -c "$packages") || exit 1
echo "import site; site.addsitedir('$behind')" >"$("$python" -c "$packages")/packages-of-dev.pth"
if ! install --upgrade 'pip>=25.1' || ! install --group frameworks; then
    not_run "the tests of CatBoost, MLflow and PyTorch" "them"
    [ -n "$if_available" ] && exit 0
    exit 1
fi
if [ -n "$if_available" ]; then
    install --retries 1 --timeout 30 --index-url "$torch_index" --group torch ||
        not_run "the tests of PyTorch" "PyTorch without CUDA from $torch_index"
else
    install --group torch || {
        not_run "the tests of PyTorch" "it"
        exit 1
    }
fi
# Only the files with such tests: to collect all others takes as long as some of these run.
files=$(grep -rls --include='test_*.py' 'mark\.frameworks' tests)
# shellcheck disable=SC2086 # one word a file
PYTHONDONTWRITEBYTECODE='' OMP_NUM_THREADS=1 exec "$python" -m pytest -n auto --dist loadfile -m frameworks $files "$@"
