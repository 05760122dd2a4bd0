#!/bin/sh
# Take the pictures of docs/images from a running `make demo`: of its pages, and of what it printed. Needs curl, Chromium,
# and pngquant for small files.
#
#     FORCE_COLOR=1 COLUMNS=106 make demo >demo.log      # until it serves
#     scripts/take_screenshots.sh [ADDRESS [demo.log]]
set -eu
address=${1:-http://127.0.0.1:8780}
july="$address/models/late-flights?window=1mo&at=2013-07-04"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{ echo "<style>"; curl -fsS "$address/static/driftline.css"; echo "</style>"; } >"$work/style.html"

# A picture begins at the top of a page. So each is taken of a copy of the page that begins with the section.
shoot() { # NAME HEIGHT SECTION
    curl -fsS "$july" | awk -v section="$3" -v style="$work/style.html" '
        /rel="stylesheet"/ { while ((getline line < style) > 0) print line; next }
        /<script/ { next }
        /class="top"/ { hidden = 1 }
        /<\/header>/ { hidden = 0; next }
        /<main/ { print; hidden = 1; next }
        $0 ~ section { hidden = 0 }
        !hidden' >"$work/page.html"
    draw "$1" 1180 "$2" page.html
}

draw() { # NAME WIDTH HEIGHT FILE
    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --user-data-dir="$work/profile" \
        --window-size="$2,$3" --screenshot="docs/images/$1" "file://$work/$4" 2>/dev/null
    pngquant --force --output "docs/images/$1" 64 "docs/images/$1"
}

shoot model-page.png 800 '<h1>'
shoot performance.png 640 '<section id="performance">'
shoot drift.png 1060 '<section id="drift">'

# A report in a cell of a notebook, of the two files.
.venv/bin/python -c '
import driftline

folder = "examples/two_files"
named = {"task": "binary", "score": "score", "actual": "late", "id": "id", "time": "time"}
report = driftline.evaluate(f"{folder}/lastweek.parquet", baseline=f"{folder}/reference.parquet", **named)
print("<!doctype html><meta charset=utf-8>", report._repr_html_())
' >"$work/notebook.html"
draw notebook.png 1000 1150 notebook.html

# `driftline top`, gone into a model.
.venv/bin/python scripts/draw_top.py "$address" "$work/top.svg"
draw top.png 1310 830 top.svg

[ -n "${2:-}" ] || exit 0
# The table and the findings; what comes before and after them tells of this machine.
awk '/log loss/ && !found { found = 1 } /predictions, with every outcome/ { exit } found' "$2" | .venv/bin/python -c '
import sys
from rich.console import Console
from rich.text import Text

console = Console(record=True, width=106, file=open("/dev/null", "w"), force_terminal=True)
console.print(Text.from_ansi(sys.stdin.read().rstrip()))
console.save_svg(sys.argv[1], title="make demo")
' "$work/demo.svg"
draw demo.png 1310 710 demo.svg
