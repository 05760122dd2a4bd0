// Keeps the page fresh: fetches the page again and changes only what changed. Everything works without this file.
"use strict";
(() => {
  const every = 5000;
  const patience = 20000;
  const live = document.getElementById("live");
  const touched = new WeakSet(); // fields that the reader has changed
  let tag = "";
  let busy = false;
  let lost = null;

  // What the reader did stays: details that are open, what is typed or ticked, where the focus and the scrolling are.
  const keepReaders = {
    morphStyle: "outerHTML",
    callbacks: {
      beforeAttributeUpdated: (name, node) => !(name === "open" && node.nodeName === "DETAILS"),
      beforeNodeMorphed: (old, fresh) =>
        !touched.has(old) && (!old.hasAttribute?.("data-drawn") || old.dataset.drawn !== fresh.dataset.drawn),
    },
  };

  // A moment is written out; how long ago it was is told here, so that the page itself does not change with the clock.
  function tellAgo() {
    for (const it of document.querySelectorAll("time[data-ago]")) {
      const seconds = Math.max(0, (Date.now() - Date.parse(it.dateTime)) / 1000);
      if (seconds > 60 * 86400) continue; // a date says more than 4,710 days
      const [value, unit] =
        seconds < 60 ? [seconds, "s"] : seconds < 3600 ? [seconds / 60, "min"] : seconds < 172800 ? [seconds / 3600, "h"] : [seconds / 86400, "days"];
      it.dataset.moment ??= it.textContent;
      it.title = it.dateTime;
      it.textContent = seconds < 2 ? "now" : `${Math.floor(value)} ${unit} ago`;
    }
  }

  // Paper does not know how long ago it was printed: it has the moment.
  addEventListener("beforeprint", () => {
    for (const it of document.querySelectorAll("time[data-moment]")) it.textContent = it.dataset.moment;
  });
  addEventListener("afterprint", tellAgo);

  function tell(words, isLost) {
    live.classList.toggle("lost", isLost);
    if (live.textContent !== words) live.textContent = words; // a screen reader says it once
  }

  function show(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    const [x, y] = [scrollX, scrollY];
    // Whatever else has the focus shall change, too: a click on plain text gives it to the page as a whole.
    const ignoreActiveValue = Boolean(document.activeElement?.matches("input, textarea, select"));
    Idiomorph.morph(document.getElementById("page"), fresh.getElementById("page"), { ...keepReaders, ignoreActiveValue });
    const [old, told] = [document.getElementById("evaluated"), fresh.getElementById("evaluated")];
    if (old && told) old.replaceChildren(...told.childNodes);
    if (scrollX !== x || scrollY !== y) scrollTo(x, y);
    document.title = fresh.title;
    document.documentElement.dataset.refreshed = String(Number(document.documentElement.dataset.refreshed || 0) + 1);
    document.dispatchEvent(new Event("driftline:refreshed"));
  }

  function failure(status) {
    if (status >= 500) return "the processor fails";
    if (status !== 404) return `the processor refuses this page (${status})`;
    return `this ${location.pathname.startsWith("/models/") ? "model" : "page"} is no longer there`;
  }

  async function refresh() {
    if (busy || document.hidden) return;
    if (!getSelection().isCollapsed) return tell("paused while text is selected", false);
    busy = true;
    const address = location.href;
    try {
      const headers = tag ? { "If-None-Match": tag } : {};
      const answer = await fetch(address, { cache: "no-store", headers, signal: AbortSignal.timeout(patience) });
      const changed = answer.status !== 304;
      lost = null;
      // What is shown is worth more than a failure; a page that is a failure itself may become another.
      if (answer.status >= 400 && !document.getElementById("failure")) return tell(failure(answer.status), true);
      if (changed && !answer.headers.get("content-type")?.startsWith("text/html")) throw new Error(String(answer.status));
      const html = changed ? await answer.text() : "";
      // Text may be selected, and another address chosen, while the answer comes.
      if (changed && address === location.href && getSelection().isCollapsed) {
        show(html);
        tag = answer.headers.get("etag") || "";
      }
      tell("live", false);
      tellAgo();
    } catch {
      lost ??= new Date();
      tell(`connection lost since ${lost.toTimeString().slice(0, 5)}`, true);
    } finally {
      busy = false;
      if (address !== location.href) refresh();
    }
  }

  // A form with data-instant is sent while it is filled in: the address says what is chosen, and the page follows.
  function choose(form) {
    const asked = new URLSearchParams(location.search);
    for (const name of new Set([...form.elements].map((it) => it.name).filter(Boolean))) asked.delete(name);
    for (const [name, value] of new FormData(form)) if (value) asked.append(name, value);
    history.replaceState(null, "", location.pathname + (String(asked) && `?${asked}`));
    tag = "";
    refresh();
  }

  // An address holds no empty parameters; what is hidden was put there on purpose.
  document.addEventListener("formdata", ({ target, formData }) => {
    for (const { name, type } of target.elements)
      if (name && type !== "hidden" && !formData.getAll(name).some(Boolean)) formData.delete(name);
  });

  let waiting = 0;
  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (!form?.hasAttribute("data-instant")) return touched.add(event.target);
    clearTimeout(waiting);
    waiting = setTimeout(() => choose(form), event.target.type === "search" ? 150 : 0);
  });
  document.addEventListener("keydown", (event) => {
    const palette = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey;
    const slash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (!palette && !slash) return;
    if (slash && event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    const search = document.getElementById("search");
    search.focus();
    search.select();
  });
  document.documentElement.classList.add("scripted");
  live.hidden = false;
  tellAgo();
  setInterval(refresh, every);
  document.addEventListener("visibilitychange", refresh);
  document.addEventListener("driftline:refresh", refresh); // the address has changed, and the page shall follow

  // A chart is one stop of the tab key; arrow keys go from mark to mark.
  document.addEventListener("keydown", (event) => {
    const link = event.target.closest?.("svg a"), step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!link || !step) return;
    const all = [...link.closest("svg").querySelectorAll("a")], next = all[all.indexOf(link) + step];
    if (!next) return;
    event.preventDefault();
    link.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
})();
