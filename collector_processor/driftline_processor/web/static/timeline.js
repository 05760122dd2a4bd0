// Draws the timeline of a model from the page's data block: drag zooms, double click resets, one cursor over all rows,
// a click or Enter opens a window. Words and links come from the server's drawing, which stays where this does not run.
"use strict";
(() => {
  const root = document.documentElement;
  const FIRST = 100, LINE = 78, BARS = 39, AXIS = 22, LEFT = 58, DAY = 86400;
  const TIMES = [
    [DAY * 365, "{YYYY}", null, null, null, null, null, null, 1],
    [DAY * 28, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
    [DAY, "{YYYY}-{MM}-{DD}", null, null, null, null, null, null, 1],
    [60, "{HH}:{mm}", "{YYYY}-{MM}-{DD}", null, "{YYYY}-{MM}-{DD}", null, null, null, 0],
  ];
  const id = (name) => document.getElementById(name);
  const links = () => [...document.querySelectorAll(".drawn a")];
  let charts = [], data = null, text = "", at = null, busy = false, view = [0, 1];

  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

  function words(row, value) {
    if (row.shares) return `${Number((value * 100).toPrecision(3))} %`;
    const size = Math.abs(value);
    if (size >= 1000) return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);
    return String(Number(value.toPrecision(3))).replace("-", "−");
  }

  // The middles of windows, with a place without values where windows are missing, so that lines break there.
  function places() {
    const xs = [], windows = [];
    data.starts.forEach((start, i) => {
      if (i && start !== data.ends[i - 1]) {
        xs.push((data.ends[i - 1] + start) / 2);
        windows.push(null);
      }
      xs.push((start + data.ends[i]) / 2);
      windows.push(i);
    });
    return { xs, windows };
  }

  // Intervals of a few rows are as wide as all others together: they may leave the chart.
  // The next number of one or two digits that a reader expects at the end of an axis.
  function roundUp(value) {
    const unit = 10 ** Math.floor(Math.log10(value));
    return unit * [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((it) => it * unit >= value * (1 - 1e-9));
  }

  function range(row) {
    const [low, high] = view;
    const inside = data.starts.map((start, i) => i).filter((i) => data.ends[i] > low && data.starts[i] < high);
    const take = (values) => inside.map((i) => values?.[i]).filter((value) => value != null);
    const values = take(row.values);
    if (row.bars) return [0, row.shares ? 1 : roundUp(Math.max(...values, row.states ? 0.25 : 1))];
    const near = [...values, ...take(row.beside), ...(row.limits || []).map((it) => it[1])];
    if (row.baseline != null) near.push(row.baseline);
    if (!near.length) return [0, 1];
    let [least, most] = [Math.min(...near), Math.max(...near)];
    const room = Math.max(most - least, Math.abs(most) * 0.05);
    for (const end of [...take(row.low), ...take(row.high), ...(row.ends || [])]) {
      least = Math.min(least, Math.max(end, Math.min(...near) - room));
      most = Math.max(most, Math.min(end, Math.max(...near) + room));
    }
    const pad = (most - least || Math.abs(most) || 1) * 0.08;
    return [least - pad, most + pad];
  }

  function draw(u, row, first, last) {
    const { ctx, bbox } = u;
    const ratio = devicePixelRatio;
    const X = (time) => u.valToPos(time, "x", true);
    const Y = (value) => u.valToPos(value, "y", true);
    const across = (value, dash, style, width = 1) => {
      ctx.setLineDash(dash.map((it) => it * ratio));
      ctx.strokeStyle = style;
      ctx.lineWidth = width * ratio;
      ctx.beginPath();
      ctx.moveTo(bbox.left, Y(value));
      ctx.lineTo(bbox.left + bbox.width, Y(value));
      ctx.stroke();
      ctx.setLineDash([]);
    };
    const middle = (i) => X((data.starts[i] + data.ends[i]) / 2);
    const runs = (known) => {
      const found = [];
      data.starts.forEach((start, i) => {
        if (!known(i)) return;
        const run = found.at(-1);
        if (run && run.at(-1) === i - 1 && start === data.ends[i - 1]) run.push(i);
        else found.push([i]);
      });
      return found;
    };
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    if (data.chosen != null && data.starts.length > 1) {
      ctx.fillStyle = colour("chosen");
      const left = X(data.starts[data.chosen]);
      ctx.fillRect(left, bbox.top, Math.max(X(data.ends[data.chosen]) - left, 2 * ratio), bbox.height);
    }
    for (const [start, end] of data.gaps) hatch(ctx, Math.max(X(start), bbox.left), Math.min(X(end), bbox.left + bbox.width), bbox, ratio);
    if (row.ends) {
      ctx.globalAlpha = 0.16;
      ctx.fillStyle = colour("unsure");
      ctx.fillRect(bbox.left, Y(row.ends[1]), bbox.width, Y(row.ends[0]) - Y(row.ends[1]));
      ctx.globalAlpha = 1;
    }
    if (row.baseline != null) across(row.baseline, [4, 3], colour("quiet"));
    for (const [name, limit] of row.limits || []) {
      across(limit, [6, 3], colour("ink"), 1.2);
      ctx.fillStyle = colour("ink");
      ctx.textAlign = "right";
      ctx.fillText(name, bbox.left + bbox.width - 4 * ratio, Y(limit) - 3 * ratio);
    }
    if (row.bars) bars(ctx, row, X, Y, bbox, ratio);
    else {
      if (row.low) {
        ctx.fillStyle = ctx.strokeStyle = colour("cover");
        for (const run of runs((i) => row.low[i] != null && row.high[i] != null)) {
          ctx.beginPath();
          if (run.length === 1) {
            ctx.lineWidth = 1.4 * ratio;
            ctx.moveTo(middle(run[0]), Y(row.low[run[0]]));
            ctx.lineTo(middle(run[0]), Y(row.high[run[0]]));
            ctx.stroke();
            continue;
          }
          for (const i of run) ctx.lineTo(middle(i), Y(row.low[i]));
          for (const i of run.toReversed()) ctx.lineTo(middle(i), Y(row.high[i]));
          ctx.globalAlpha = 0.4;
          ctx.fill();
          ctx.globalAlpha = 1;
        }
      }
      for (const [values, style, width] of [[row.beside, "beside", 1.5], [row.values, "line", 1.8]]) {
        if (!values) continue;
        ctx.strokeStyle = colour(style);
        ctx.lineWidth = width * ratio;
        for (const run of runs((i) => values[i] != null)) {
          ctx.beginPath();
          for (const i of run) ctx.lineTo(middle(i), Y(values[i]));
          ctx.stroke();
        }
      }
      const room = data.starts.length > 1 ? X(data.ends[0]) - X(data.starts[0]) : 99;
      for (const run of runs((i) => row.values[i] != null)) {
        for (const i of run) {
          const open = data.open.includes(i);
          if (room < 7 * ratio && run.length > 1 && !open) continue;
          ctx.beginPath();
          ctx.arc(middle(i), Y(row.values[i]), 2.6 * ratio, 0, 7);
          ctx.fillStyle = open ? colour("card") : colour("line");
          ctx.strokeStyle = colour("line");
          ctx.lineWidth = 1.3 * ratio;
          ctx.fill();
          ctx.stroke();
        }
      }
    }
    for (const mark of data.marks) {
      if (mark.kind === "incident") {
        if (!last) continue;
        ctx.fillStyle = colour("ink");
        ctx.fillRect(X(mark.start), bbox.top + bbox.height - 3 * ratio, Math.max(X(mark.end) - X(mark.start), 2 * ratio), 3 * ratio);
        continue;
      }
      ctx.strokeStyle = ctx.fillStyle = colour("ink");
      ctx.lineWidth = ratio;
      ctx.setLineDash([2 * ratio, 2 * ratio]);
      ctx.beginPath();
      ctx.moveTo(X(mark.start), bbox.top);
      ctx.lineTo(X(mark.start), bbox.top + bbox.height);
      ctx.stroke();
      ctx.setLineDash([]);
      if (!first) continue;
      const right = X(mark.start) > bbox.left + bbox.width * 0.8;
      ctx.textAlign = right ? "right" : "left";
      ctx.fillText(mark.words, X(mark.start) + (right ? -4 : 4) * ratio, bbox.top + 10 * ratio);
    }
    ctx.restore();
  }

  // No window has been judged there.
  function hatch(ctx, left, right, { top, height }, ratio) {
    if (right <= left) return;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, right - left, height);
    ctx.clip();
    ctx.beginPath();
    for (let x = left - (left % (5 * ratio)) - height; x < right; x += 5 * ratio) {
      ctx.moveTo(x, top + height);
      ctx.lineTo(x + height, top);
    }
    ctx.globalAlpha = 0.5;
    ctx.strokeStyle = colour("unsure");
    ctx.lineWidth = ratio;
    ctx.stroke();
    ctx.restore();
  }

  function bars(ctx, row, X, Y, bbox, ratio) {
    const bottom = bbox.top + bbox.height;
    row.values.forEach((value, i) => {
      const [begin, end] = [X(data.starts[i]), X(data.ends[i])];
      const [left, width] = [begin + (end - begin) * 0.08, Math.max((end - begin) * 0.84, 0.6 * ratio)];
      const state = row.states?.[i];
      if (["inconclusive", "no_baseline"].includes(state)) {
        ctx.strokeStyle = colour("unsure");
        ctx.lineWidth = ratio;
        for (let x = left; x < left + width; x += 4 * ratio) {
          ctx.beginPath();
          ctx.moveTo(x, bottom);
          ctx.lineTo(Math.min(x + 4 * ratio, left + width), bottom - 5 * ratio);
          ctx.stroke();
        }
        return;
      }
      if (value == null) return;
      ctx.globalAlpha = data.open.includes(i) ? 0.45 : 1;
      const top = value || row.states ? Math.min(Y(value), bottom - ratio) : bottom;
      ctx.fillStyle = !row.states ? colour("edge") : colour(state === "drift" ? "shift" : "steady");
      ctx.fillRect(left, top, width, bottom - top);
      if (row.beside?.[i]) {
        ctx.fillStyle = colour("cover");
        ctx.fillRect(left, Y(row.beside[i]), width, bottom - Y(row.beside[i]));
      }
      ctx.globalAlpha = 1;
    });
  }

  function tell(i) {
    at = i;
    const link = i == null ? null : links()[i];
    say(link?.querySelector("title")?.textContent ?? "");
  }

  function say(words) {
    const said = id("timeline-said");
    said.textContent = said.title = words;
  }

  // Between windows the cursor is in a gap.
  function point(place, { xs, windows }) {
    tell(windows[place]);
    if (windows[place] == null) say(data.gaps.find(([start, end]) => start < xs[place] && xs[place] < end)?.[2] ?? "");
  }

  function open(i) {
    const link = i == null ? null : links()[i];
    if (link) location.href = link.getAttribute("href");
  }

  // A range is in the address, so that the page, its links and a copy of the address show it; "" = as without one.
  function show(from, to) {
    const there = new URL(location.href);
    for (const [name, value] of [["from", from], ["to", to]]) {
      if (value) there.searchParams.set(name, value);
      else there.searchParams.delete(name);
    }
    there.searchParams.delete("at");
    history.replaceState(null, "", there);
    document.dispatchEvent(new Event("driftline:refresh"));
  }

  const iso = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

  function zoom(low, high) {
    if (busy) return;
    busy = true;
    queueMicrotask(() => (busy = false));
    const inside = data.starts.map((start, i) => i).filter((i) => data.ends[i] > low && data.starts[i] < high);
    if (!inside.length) return;
    const [min, max] = [data.starts[inside[0]], data.ends[inside.at(-1)]];
    view = [min, max];
    for (const chart of charts) chart.setScale("x", { min, max });
    show(iso(min), iso(max));
  }

  function chart(row, first, last, box, there) {
    const { xs, windows } = there;
    const height = (row.bars ? BARS : first ? FIRST : LINE) + (last ? AXIS : 0);
    const grid = () => ({ stroke: colour("grid"), width: 1 });
    const quiet = () => colour("quiet");
    const font = "11px system-ui, sans-serif";
    const zone = (seconds) => {
      try {
        return uPlot.tzDate(new Date(seconds * 1000), data.zone);
      } catch {
        return new Date(seconds * 1000);
      }
    };
    const u = new uPlot(
      {
        width: box.clientWidth,
        height,
        padding: [14, 26, last ? 0 : 4, 0], // room for the half of the last tick's words
        legend: { show: false },
        tzDate: zone,
        cursor: { y: false, points: { show: false }, sync: { key: "driftline" }, drag: { x: true, y: false, setScale: false }, bind: { dblclick: () => () => null } },
        scales: { x: { time: true, range: (_, low, high) => [low, high] }, y: { range: () => range(row) } },
        axes: [
          { show: last, size: AXIS, gap: 7, space: 70, stroke: quiet, font, grid: grid(), ticks: { show: false }, values: TIMES },
          {
            size: LEFT, stroke: quiet, font, grid: grid(), ticks: { show: false }, space: 20,
            ...(row.bars ? { splits: (it) => [0, it.scales.y.max] } : {}),
            values: (_, ticks) => ticks.map((value) => words(row, value)),
          },
        ],
        series: [{}, { paths: () => null, points: { show: false } }],
        hooks: {
          draw: [(it) => draw(it, row, first, last)],
          setCursor: [(it) => { if (it.cursor.idx != null && it.cursor.left >= 0) point(it.cursor.idx, there); }],
          setSelect: [(it) => { if (it.select.width > 4) zoom(it.posToVal(it.select.left, "x"), it.posToVal(it.select.left + it.select.width, "x")); }],
        },
      },
      [xs, windows.map((i) => (i == null ? null : row.values[i]))],
      box,
    );
    u.setScale("x", { min: view[0], max: view[1] });
    const title = document.createElement("span");
    title.className = "row-title";
    title.textContent = row.title;
    u.root.append(title);
    let down = 0;
    u.over.addEventListener("mousedown", (event) => (down = event.clientX));
    u.over.addEventListener("click", (event) => { if (Math.abs(event.clientX - down) < 4) open(at); });
    u.over.addEventListener("dblclick", () => show("", ""));
    return u;
  }

  function build() {
    const block = id("timeline-data"), box = id("timeline-live");
    if (!block || !box || typeof uPlot === "undefined") return;
    if (block.textContent === text && box.firstChild) return;
    text = block.textContent;
    data = JSON.parse(text);
    view = [data.starts[0], data.ends.at(-1)];
    if (!box.firstChild) prepare(box);
    for (const one of charts) one.destroy();
    const there = places(), holder = box.querySelector(".rows");
    holder.replaceChildren();
    charts = data.rows.map((row, i) => chart(row, !i, i === data.rows.length - 1, holder, there));
    tell(data.chosen ?? data.starts.length - 1);
  }

  function prepare(box) {
    const said = document.createElement("p"), rows = document.createElement("div");
    said.id = "timeline-said";
    said.setAttribute("aria-live", "polite");
    rows.className = "rows";
    box.replaceChildren(said, rows);
    box.tabIndex = 0;
    box.setAttribute("role", "application");
    box.setAttribute("aria-label", "timeline: arrow keys choose a window, Enter opens it, dragging zooms, Escape resets");
    box.setAttribute("aria-describedby", said.id);
    root.classList.add("charts-live");
    box.addEventListener("keydown", (event) => {
      const most = data.starts.length - 1, now = at ?? most;
      const next = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: most }[event.key];
      if (event.key === "Enter") open(at);
      else if (event.key === "Escape") show("", "");
      else if (next !== undefined) {
        const i = Math.min(Math.max(next, 0), most), middle = (data.starts[i] + data.ends[i]) / 2;
        for (const one of charts) one.setCursor({ left: one.valToPos(middle, "x"), top: 4 }, false, false);
        tell(i);
      } else return;
      event.preventDefault();
    });
    new ResizeObserver(() => {
      for (const one of charts) if (rows.clientWidth) one.setSize({ width: rows.clientWidth, height: one.height });
    }).observe(rows);
  }

  // A range of all history is chosen on the strip below the timeline.
  function brush(event) {
    const strip = event.target.closest("#history");
    if (!strip || event.button) return;
    const inner = strip.querySelector("svg").getBoundingClientRect();
    const share = (x) => Math.min(Math.max((x - inner.left) / inner.width, 0), 1);
    const begin = share(event.clientX), mark = document.createElement("div");
    mark.className = "brush";
    strip.append(mark);
    const move = (now) => {
      const [low, high] = [begin, share(now.clientX)].sort((a, b) => a - b);
      mark.style.left = `${inner.left - strip.getBoundingClientRect().left + low * inner.width}px`;
      mark.style.width = `${(high - low) * inner.width}px`;
    };
    const up = (now) => {
      removeEventListener("pointermove", move);
      mark.remove();
      getSelection().removeAllRanges(); // a drag over a drawing may select it, and a refresh waits for selections
      const [low, high] = [begin, share(now.clientX)].sort((a, b) => a - b);
      const [first, last] = [Number(strip.dataset.first), Number(strip.dataset.last)];
      if ((high - low) * inner.width > 4) show(iso(Math.floor(first + low * (last - first))), iso(Math.ceil(first + high * (last - first))));
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", up, { once: true });
  }

  document.addEventListener("pointerdown", brush);
  document.addEventListener("driftline:refreshed", build);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    text = "";
    build();
  });
  build();
})();
