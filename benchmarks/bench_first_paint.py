"""When a reader sees something: first contentful paint of the pages in Chromium, beside bare HTML of as many bytes.

    python -m benchmarks.bench_first_paint

The pages are those of bench_pages: 60 models of 200 features in 365 daily windows. Every opening has a browser context
of its own, so style and scripts are fetched again, as for a reader who comes for the first time. The reference in the
same run and from the same server is a page of as many bytes, made of paragraphs without style or script; the two are
opened in turn. The least of all openings counts: whatever else a machine does makes them later.
Promised on two quiet cores: 300 ms. Without Chromium it says NOT RUN.
"""

from __future__ import annotations

import sys
from itertools import cycle, islice
from urllib.request import urlopen

from driftline_processor.web.page import compile_templates
from playwright.sync_api import Browser, sync_playwright
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from benchmarks.bench_pages import evaluations, fleet
from tests.support.browser import CHROMIUM
from tests.support.fake_view import app_of
from tests.support.serve import serve

MODELS, FEATURES, WINDOWS, ROUNDS = 60, 200, 365, 15

PROMISED = 0.3
"""Seconds until the first paint."""

SHOWN = {"home": "/", "overview": "/models/model-03", "feature": "/models/model-03/features/feature_007"}
"""Page → address."""

WORDS = ("drift", "outcome", "window", "baseline", "verdict", "interval", "coverage", "objective")

PAINTED = """() => new Promise((done) => new PerformanceObserver((list) => {
  for (const one of list.getEntriesByName('first-contentful-paint')) done(one.startTime);
}).observe({ type: 'paint', buffered: true }))"""


def bare(request: Request) -> HTMLResponse:
    """Answer HTML of so many bytes: paragraphs of a hundred words, no style, no script."""
    size = int(request.query_params["bytes"])
    begin, end = "<!doctype html><title>bare</title>", "</p>\n"
    paragraph = f"<p>{' '.join(islice(cycle(WORDS), 100))}</p>\n"
    text = begin + paragraph * (size // len(paragraph) + 1)
    return HTMLResponse(text[: size - len(end)] + end)


def first_paint(browser: Browser, url: str) -> float:
    """Return the seconds from the request of a page until something of it is seen, with an empty cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(240_000)  # milliseconds: a busy machine is slow, not wrong
    try:
        page = context.new_page()
        page.goto(url, wait_until="load")
        return float(page.evaluate(PAINTED)) / 1000
    finally:
        context.close()


def main() -> int:
    if not CHROMIUM:
        print("NOT RUN: no Chromium is installed")
        return 0
    view = fleet(evaluations(FEATURES, WINDOWS), MODELS)
    compile_templates()
    app = app_of(view)
    app.router.routes.insert(0, Route("/bare", bare))
    kept = True
    print(f"{MODELS} models x {FEATURES} features x {WINDOWS} windows; the least of {ROUNDS} openings")
    with serve(app) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for name, path in SHOWN.items():
            with urlopen(address + path) as answer:
                size = len(answer.read())
            both = (address + path, f"{address}/bare?bytes={size}")
            took = [[first_paint(browser, url) for url in both] for _ in range(ROUNDS)]
            page, plain = (min(of_one) for of_one in zip(*took, strict=True))
            kept &= page <= PROMISED
            print(
                f"{name:<10} {page * 1e3:6.0f} ms   {page / plain:5.1f} x bare HTML, {plain * 1e3:.0f} ms"
                f"   {size / 1e3:5.0f} kB   promised {PROMISED:.1f} s: {'kept' if page <= PROMISED else 'BROKEN'}"
            )
        browser.close()
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
