// Keeps the page fresh: fetches the page again and changes only what changed. Everything works without this file.
"use strict";
(() => {
  const every = 5000;
  const live = document.getElementById("live");
  const search = document.getElementById("search");
  let tag = "";

  // What the reader did stays: details that are open, what is typed or ticked, where the focus and the scrolling are.
  const keepReaders = {
    morphStyle: "outerHTML",
    ignoreActiveValue: true,
    callbacks: {
      beforeAttributeUpdated: (name, node) => !(name === "open" && node.nodeName === "DETAILS"),
      beforeNodeMorphed: (old, fresh) => !old.hasAttribute?.("data-drawn") || old.dataset.drawn !== fresh.dataset.drawn,
    },
  };

  // A moment is written out; how long ago it was is told here, so that the page itself does not change with the clock.
  function tellAgo() {
    for (const it of document.querySelectorAll("time[data-ago]")) {
      const seconds = Math.max(0, (Date.now() - Date.parse(it.dateTime)) / 1000);
      const [value, unit] =
        seconds < 60 ? [seconds, "s"] : seconds < 3600 ? [seconds / 60, "min"] : seconds < 172800 ? [seconds / 3600, "h"] : [seconds / 86400, "days"];
      it.title = it.dateTime;
      it.textContent = seconds < 2 ? "now" : `${Math.floor(value)} ${unit} ago`;
    }
  }

  async function refresh() {
    if (document.hidden || String(getSelection())) return;
    try {
      const answer = await fetch(location.href, { cache: "no-store", headers: tag ? { "If-None-Match": tag } : {} });
      if (answer.status !== 304) {
        if (!answer.headers.get("content-type")?.startsWith("text/html")) throw new Error(String(answer.status));
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        const [x, y] = [scrollX, scrollY];
        Idiomorph.morph(document.getElementById("page"), fresh.getElementById("page"), keepReaders);
        if (scrollX !== x || scrollY !== y) scrollTo(x, y);
        document.title = fresh.title;
        tag = answer.headers.get("etag") || "";
        document.documentElement.dataset.refreshed = String(Number(document.documentElement.dataset.refreshed || 0) + 1);
        document.dispatchEvent(new Event("driftline:refreshed"));
      }
      live.classList.remove("lost");
      live.textContent = "live";
      tellAgo();
    } catch {
      live.classList.add("lost");
      live.textContent = "connection lost";
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    search.focus();
    search.select();
  });
  live.hidden = false;
  tellAgo();
  setInterval(refresh, every);
  document.addEventListener("visibilitychange", refresh);
})();
