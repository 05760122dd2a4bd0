// Tables and heat maps by keyboard and pointer: one tab stop each, arrow keys inside. Everything works without this file.
"use strict";
(() => {
  const WORDS = { l: "drift, large", m: "drift, moderate", s: "drift, small", u: "within normal variation", o: "no drift", c: "inconclusive", n: "no baseline" };
  const cursors = new WeakMap();

  // Of the links in a table one is a tab stop; arrow keys, Home and End go to the others.
  function oneStop(table) {
    const links = [...table.querySelectorAll("tbody tr:not([hidden]) th a")];
    const current = links.find((it) => it === document.activeElement) || links[0];
    for (const it of links) it.tabIndex = it === current ? 0 : -1;
    return links;
  }

  document.addEventListener("keydown", (event) => {
    const table = event.target.closest?.("table[data-arrows] tbody th a")?.closest("table");
    if (!table || event.ctrlKey || event.metaKey || event.altKey) return;
    const links = oneStop(table);
    const at = links.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
    if (to === undefined || !links[to]) return;
    event.preventDefault();
    links[to].focus();
    oneStop(table);
  });

  // Rows whose name lacks what is typed are hidden at once; Enter asks the server, which keeps it in the address.
  function filter(input) {
    const table = document.getElementById(input.dataset.filters);
    if (!table) return;
    // The server has filtered by what the input came with, and over whole names: a cell may show part of one.
    const wanted = input.value === input.defaultValue ? "" : input.value.trim().toLowerCase();
    for (const row of table.tBodies[0].rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
    oneStop(table);
  }
  document.addEventListener("input", (event) => event.target.matches?.("[data-filters]") && filter(event.target));

  // A cell of a heat map is its row's feature in its column's window.
  function cell(box, row, column) {
    const svg = box.querySelector(".heat-cells");
    const rows = box.querySelectorAll("a.row");
    const columns = svg.querySelectorAll("a.column");
    if (!rows[row] || !columns[column]) return null;
    const address = new URL(rows[row].getAttribute("href"), location.href);
    const window = new URL(columns[column].getAttribute("href"), location.href).searchParams;
    for (const name of ["at", "window"]) if (window.has(name)) address.searchParams.set(name, window.get(name));
    const letter = svg.dataset.cells.split(" ")[row][column];
    const when = columns[column].querySelector("title").textContent.split(": ")[0];
    const words = `${rows[row].querySelector("title").textContent}, ${when}: ${WORDS[letter] || "no value"}`;
    return { row, column, address, words, svg };
  }

  function show(box, found) {
    cursors.set(box, found);
    const { svg } = found;
    const [step, height] = ["step", "row"].map((name) => Number(svg.dataset[name]));
    let frame = svg.querySelector(".cursor");
    if (!frame) {
      frame = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      frame.setAttribute("class", "frame cursor");
      svg.append(frame);
    }
    const place = { x: found.column * step, y: found.row * height, width: step, height };
    for (const [name, value] of Object.entries(place)) frame.setAttribute(name, value);
    box.parentElement.querySelector("[data-told]").textContent = found.words;
  }

  function under(box, event) {
    if (event.target.closest(".heat-names")) return null; // they may lie over cells
    const svg = box.querySelector(".heat-cells");
    const area = svg.getBoundingClientRect();
    const unit = svg.viewBox.baseVal.width / area.width;
    const x = (event.clientX - area.left) * unit;
    const y = (event.clientY - area.top) * unit;
    return x < 0 ? null : cell(box, Math.floor(y / Number(svg.dataset.row)), Math.floor(x / Number(svg.dataset.step)));
  }

  document.addEventListener("pointermove", (event) => {
    const box = event.target.closest?.("[data-heat]");
    const found = box && under(box, event);
    if (found) show(box, found);
  });
  document.addEventListener("click", (event) => {
    const box = event.target.closest?.("[data-heat]");
    const found = box && under(box, event);
    if (!found || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    location.assign(found.address);
  });
  document.addEventListener("keydown", (event) => {
    const box = event.target.closest?.("[data-heat]");
    if (!box || event.ctrlKey || event.metaKey || event.altKey) return;
    const columns = box.querySelectorAll("a.column").length;
    const { row, column } = cursors.get(box) || { row: 0, column: columns };
    const [down, right] = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] || [0, 0];
    const found = event.key === "Enter" ? cursors.get(box) : cell(box, row + down, column + right);
    if (!found || (event.key !== "Enter" && !down && !right)) return;
    event.preventDefault();
    if (event.key === "Enter") location.assign(found.address);
    else show(box, found);
  });

  function begin() {
    for (const table of document.querySelectorAll("table[data-arrows]")) oneStop(table);
    for (const input of document.querySelectorAll("[data-filters]")) filter(input);
  }
  begin();
  document.addEventListener("driftline:refreshed", begin);
  // The newest windows are at the right end, which a narrow screen would not show.
  for (const box of document.querySelectorAll("[data-heat]")) box.scrollLeft = box.scrollWidth;
})();
