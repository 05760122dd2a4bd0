// Keeps the page fresh: fetches it again and swaps what changed. Everything works without this file.
"use strict";
(() => {
  const every = 5000;
  const live = document.getElementById("live");
  let shown = null;

  async function refresh() {
    if (document.hidden || String(getSelection())) return;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.headers.get("content-type")?.startsWith("text/html")) throw new Error(String(answer.status));
      const text = await answer.text();
      live.classList.remove("lost");
      live.textContent = "live";
      if (text === shown) return;
      shown = text;
      const fresh = new DOMParser().parseFromString(text, "text/html");
      const page = document.adoptNode(fresh.getElementById("page"));
      const closed = document.querySelectorAll("details:not([open])").length > 0;
      if (closed) for (const it of page.querySelectorAll("details")) it.open = false;
      const focused = document.activeElement?.getAttribute("href");
      document.getElementById("page").replaceWith(page);
      if (focused) page.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
      document.title = fresh.title;
      document.documentElement.dataset.refreshed = String(Number(document.documentElement.dataset.refreshed || 0) + 1);
    } catch {
      live.classList.add("lost");
      live.textContent = "connection lost";
    }
  }

  live.hidden = false;
  setInterval(refresh, every);
  document.addEventListener("visibilitychange", refresh);
})();
