// Each chart can be taken along: a link to it, a picture, or its numbers. Everything works without this file.
"use strict";
(() => {
  const charts = "#over-time, #picture, article.card:has(svg)";
  const styles = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity", "font-size", "font-family", "text-anchor"];

  const button = (words, act) => {
    const it = document.createElement("button");
    it.type = "button";
    it.textContent = words;
    it.addEventListener("click", async () => {
      try {
        it.textContent = (await act()) || words;
      } catch {
        it.textContent = "failed";
      }
      setTimeout(() => (it.textContent = words), 2000);
    });
    return it;
  };

  const address = (chart) => {
    const there = new URL(location.href);
    there.hash = chart.id;
    return there.href;
  };

  const title = (chart) => (chart.querySelector("h3")?.textContent || chart.getAttribute("aria-label") || "chart").trim().replace(/\s+/g, " ");

  function save(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name.replace(/[^\p{L}\p{N}._-]+/gu, "-");
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // A picture outside the page has no style sheet: each element takes the style that it has here.
  function standalone(svg) {
    const copy = svg.cloneNode(true), box = svg.getBoundingClientRect();
    const [from, to] = [[svg, ...svg.querySelectorAll("*")], [copy, ...copy.querySelectorAll("*")]];
    from.forEach((it, i) => {
      const style = getComputedStyle(it);
      for (const name of styles) to[i].setAttribute(name, style.getPropertyValue(name));
      to[i].removeAttribute("class");
    });
    const hatch = document.getElementById("hatch");
    if (hatch) copy.prepend(hatch.cloneNode(true));
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.setAttribute("width", String(box.width));
    copy.setAttribute("height", String(box.height));
    return { text: new XMLSerializer().serializeToString(copy), width: box.width, height: box.height };
  }

  async function draw(chart) {
    const scale = 2, space = 12, head = 28;
    const all = [...chart.querySelectorAll("canvas, svg")].filter((it) => it.getBoundingClientRect().height > 8 && !it.closest("h3, .legend"));
    const parts = [];
    for (const it of all) {
      if (it.nodeName === "CANVAS") {
        const box = it.getBoundingClientRect();
        parts.push({ image: it, width: box.width, height: box.height });
        continue;
      }
      const { text, width, height } = standalone(it);
      const image = new Image(), url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
      image.src = url;
      await image.decode();
      URL.revokeObjectURL(url);
      parts.push({ image, width, height });
    }
    const canvas = document.createElement("canvas"), ctx = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    canvas.width = scale * (Math.max(...parts.map((part) => part.width)) + 2 * space);
    canvas.height = scale * (parts.reduce((sum, part) => sum + part.height, head) + space);
    ctx.scale(scale, scale);
    ctx.fillStyle = style.getPropertyValue("--card");
    ctx.fillRect(0, 0, canvas.width, canvas.height);
    ctx.fillStyle = style.getPropertyValue("--ink");
    ctx.font = "600 14px system-ui, sans-serif";
    ctx.fillText(`${document.querySelector("h1")?.textContent.trim().replace(/\s+/g, " ") ?? ""}: ${title(chart)}`, space, 18);
    let top = head;
    for (const { image, width, height } of parts) {
      ctx.drawImage(image, space, top, width, height);
      top += height;
    }
    const blob = await new Promise((done) => canvas.toBlob(done));
    save(blob, `${title(chart)}.png`);
  }

  // The numbers are those of the titles of its marks, which a reader sees when pointing at them.
  function numbers(chart) {
    const lines = [...chart.querySelectorAll("svg a > title, svg a title")].map((it) => it.textContent);
    const rows = [...new Set(lines)].map((line) => {
      const at = line.indexOf(": ");
      return at < 0 ? [line] : [line.slice(0, at), ...line.slice(at + 2).split("; ")];
    });
    const cell = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
    return rows.map((row) => row.map(cell).join(",")).join("\r\n");
  }

  function decorate() {
    for (const chart of document.querySelectorAll(charts)) {
      if (!chart.id || chart.querySelector(":scope > .take-along")) continue;
      const tools = document.createElement("p");
      tools.className = "take-along";
      tools.append(
        button("copy link", async () => {
          await navigator.clipboard.writeText(address(chart));
          return "copied";
        }),
        button("PNG", () => draw(chart)),
      );
      if (numbers(chart)) tools.append(button("CSV", () => save(new Blob([numbers(chart)], { type: "text/csv" }), `${title(chart)}.csv`)));
      tools.dataset.drawn = "tools";
      chart.append(tools);
    }
  }

  // A start page shows what to paste.
  function copies() {
    for (const block of document.querySelectorAll("pre[data-copy]:not(:has(+ .copy))")) {
      const it = button("copy", async () => {
        await navigator.clipboard.writeText(block.textContent);
        return "copied";
      });
      it.className = "copy";
      block.after(it);
    }
  }

  function all() {
    decorate();
    copies();
  }
  document.addEventListener("driftline:refreshed", all);
  all();
})();
