#!/bin/sh
# Take the pictures of the pages in docs/images, from a running `make demo`. Needs curl, Chromium, and pngquant for small files.
#
#     scripts/take_screenshots.sh [ADDRESS]
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
    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --user-data-dir="$work/profile" \
        --window-size="1180,$2" --screenshot="docs/images/$1" "file://$work/page.html" 2>/dev/null
    pngquant --force --output "docs/images/$1" 64 "docs/images/$1"
}

shoot model-page.png 800 '<h1>'
shoot performance.png 640 '<section id="performance">'
shoot drift.png 1060 '<section id="drift">'
