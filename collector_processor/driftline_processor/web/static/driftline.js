// Keeps the page fresh: fetches the page again and changes only what changed. Everything works without this file.
"use strict";
(() => {
  const every = 5000;
  const live = document.getElementById("live");
  let shown = null;

  // Nodes stay themselves, so that tables the reader opened, scrolled or focused stay opened, scrolled and focused.
  function update(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.nodeValue = fresh.nodeValue;
      return;
    }
    const readers = old.nodeName === "DETAILS" ? "open" : null; // whether details are open is the reader's choice
    for (const { name } of [...old.attributes]) {
      if (name !== readers && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (name !== readers && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    updateChildren(old, fresh);
  }

  function updateChildren(old, fresh) {
    const wanted = new Set([...fresh.children].map((it) => it.id));
    for (const it of [...old.children]) if (it.id && !wanted.has(it.id)) it.remove();
    const named = new Map([...old.children].filter((it) => it.id).map((it) => [it.id, it]));
    let place = old.firstChild;
    for (const it of [...fresh.childNodes]) {
      const found = it.id ? named.get(it.id) : place;
      if (!found || found.nodeName !== it.nodeName || Boolean(found.id) !== Boolean(it.id)) {
        old.insertBefore(it, place);
        continue;
      }
      if (found === place) place = place.nextSibling;
      else old.insertBefore(found, place);
      update(found, it);
    }
    while (place) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
  }

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
      const page = document.getElementById("page");
      const focused = document.activeElement;
      update(page, fresh.getElementById("page"));
      const link = focused?.getAttribute("href");
      if (link && !focused.isConnected) page.querySelector(`a[href="${CSS.escape(link)}"]`)?.focus({ preventScroll: true });
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
