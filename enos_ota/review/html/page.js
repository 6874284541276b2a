// The key table of the review: search, filters, sorting, copying, and a window of rows over any number of keys.
// Texts reach the page through textContent alone; the page's policy forbids everything else.
"use strict";

(() => {
  const ROWS_BEYOND = 12; // rows drawn above and below what can be seen
  const TALLEST = 8000000; // pixels; browsers cannot lay out much more than that, so beyond it the scroll bar is a scale

  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("keys-data").textContent);
  const section = byId("keys");
  const search = byId("search");
  const setChoice = byId("set-choice");
  const effectChoice = byId("effect-choice");
  const count = byId("count");
  const copied = byId("copied");
  const pane = byId("pane");
  const table = byId("key-table");
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const number = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");

  // Every key is a number, its place in these arrays.
  const keys = []; // as EnOS has them
  const shown = []; // as they are shown
  const folded = []; // as they are searched
  const groupOf = [];
  data.groups.forEach((group, place) => {
    group.folded = [data.effects[group.effect].name, group.status, group.version, data.sets[group.set]]
      .join("\n")
      .toLowerCase();
    for (const key of group.keys) {
      const [itself, seen] = typeof key === "string" ? [key, key] : key;
      keys.push(itself);
      shown.push(seen);
      folded.push(seen.toLowerCase());
      groupOf.push(place);
    }
  });
  const group = (row) => data.groups[groupOf[row]];

  const columns = {
    key: (row) => shown[row],
    effect: (row) => group(row).effect,
    status: (row) => group(row).status,
    version: (row) => group(row).version,
    set: (row) => data.sets[group(row).set],
  };
  const order = { column: "effect", falling: false };
  const chosenEffects = new Set();
  let sorted = Uint32Array.from(keys.keys());
  let hits = sorted;
  let rowHeight = 28;
  let scale = 1; // pixels of rows to a pixel of the scroll bar
  let drawn = "";
  let isDue = false;

  function compare(one, other) {
    return one < other ? -1 : one > other ? 1 : 0;
  }

  function sort() {
    const of = columns[order.column];
    const sign = order.falling ? -1 : 1;
    // Within the same value keys always rise, so that one finds them.
    sorted = Uint32Array.from(keys.keys()).sort(
      (one, other) => sign * compare(of(one), of(other)) || compare(shown[one], shown[other]) || one - other,
    );
    for (const heading of headings) {
      const direction = order.falling ? "descending" : "ascending";
      heading.setAttribute("aria-sort", heading.dataset.column === order.column ? direction : "none");
    }
  }

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosenSet = setChoice.value === "" ? null : Number(setChoice.value);
    // What a group says for all its keys: left out; or the words that are still to be found in each key.
    const wanted = data.groups.map((each) => {
      const isOut =
        (chosenSet !== null && each.set !== chosenSet) || (chosenEffects.size > 0 && !chosenEffects.has(each.effect));
      return isOut ? null : words.filter((word) => !each.folded.includes(word));
    });
    hits = sorted.filter((row) => {
      const left = wanted[groupOf[row]];
      return left !== null && left.every((word) => folded[row].includes(word));
    });
    const all = number(keys.length);
    count.textContent = hits.length === keys.length ? `${all} keys` : `${number(hits.length)} of ${all} keys`;
    copied.textContent = "";
    table.setAttribute("aria-rowcount", String(hits.length + 1));
    pane.scrollTop = 0;
    drawn = "";
    draw();
  }

  function cell(text, kind) {
    const made = document.createElement("td");
    made.className = `cell-${kind}`;
    made.textContent = text;
    made.title = text;
    return made;
  }

  function line(row, place) {
    const of = group(row);
    const made = document.createElement("tr");
    made.setAttribute("aria-rowindex", String(place + 2));
    made.className = "key-row";
    const effect = cell("", "effect");
    const badge = document.createElement("span");
    badge.className = `effect-name exposure-${data.effects[of.effect].exposure}`;
    badge.textContent = data.effects[of.effect].name;
    badge.title = data.effects[of.effect].meaning;
    effect.append(badge);
    made.append(cell(shown[row], "key"), effect, cell(of.status, "status"), cell(of.version, "version"));
    if (data.sets.length > 1) {
      made.append(cell(data.sets[of.set], "set"));
    }
    return made;
  }

  function gap(height) {
    const made = document.createElement("tr");
    made.setAttribute("aria-hidden", "true");
    made.className = "gap";
    const inside = document.createElement("td");
    inside.colSpan = headings.length;
    inside.style.height = `${height}px`;
    made.append(inside);
    return made;
  }

  function draw() {
    isDue = false;
    const height = hits.length * rowHeight;
    const tall = Math.min(height, TALLEST);
    const seen = Math.ceil(pane.clientHeight / rowHeight);
    const room = Math.max(tall - pane.clientHeight, 1);
    scale = tall < height ? (height - pane.clientHeight) / room : 1;
    const last = Math.max(0, hits.length - seen);
    const top = Math.min(Math.floor((pane.scrollTop * scale) / rowHeight), last);
    const first = Math.max(0, top - ROWS_BEYOND);
    const end = Math.min(hits.length, first + seen + 2 * ROWS_BEYOND);
    const window = `${first}-${end}`;
    if (window === drawn && scale === 1) {
      return;
    }
    drawn = window;
    const rows = [];
    for (let place = first; place < end; place += 1) {
      rows.push(line(hits[place], place));
    }
    const free = Math.max(0, tall - rows.length * rowHeight);
    const wanted = scale === 1 ? first * rowHeight : pane.scrollTop - (top - first) * rowHeight;
    const above = Math.max(0, Math.min(wanted, free));
    body.replaceChildren(gap(above), ...rows, gap(free - above));
    const real = rows.length ? rows[0].getBoundingClientRect().height : rowHeight;
    if (real > 0 && Math.abs(real - rowHeight) > 0.01) {
      rowHeight = real; // the style or the reader's zoom made rows another size
      drawn = "";
      draw();
    }
  }

  function drawSoon() {
    if (!isDue) {
      isDue = true;
      requestAnimationFrame(draw);
    }
  }

  async function copy() {
    const text = Array.from(hits, (row) => `${keys[row]}\n`).join("");
    let isDone = false;
    try {
      await navigator.clipboard.writeText(text);
      isDone = true;
    } catch {
      const area = document.createElement("textarea"); // where the browser keeps the clipboard from this page
      area.value = text;
      document.body.append(area);
      area.select();
      isDone = document.execCommand("copy");
      area.remove();
    }
    copied.textContent = isDone ? `${number(hits.length)} copied` : "The browser refuses to copy.";
  }

  function chooseEffects() {
    const totals = new Map();
    for (const each of data.groups) {
      totals.set(each.effect, (totals.get(each.effect) ?? 0) + each.keys.length);
    }
    for (const effect of [...totals.keys()].sort((one, other) => one - other)) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = `chip exposure-${data.effects[effect].exposure}`;
      button.title = data.effects[effect].meaning;
      button.setAttribute("aria-pressed", "false");
      const total = document.createElement("span");
      total.className = "total";
      total.textContent = number(totals.get(effect));
      button.append(data.effects[effect].name, " ", total);
      button.addEventListener("click", () => {
        const isChosen = !chosenEffects.delete(effect) && Boolean(chosenEffects.add(effect));
        button.setAttribute("aria-pressed", String(isChosen));
        filter();
      });
      effectChoice.append(button);
    }
    effectChoice.hidden = totals.size < 2;
  }

  function chooseSets() {
    data.sets.forEach((name, place) => setChoice.append(new Option(name, String(place))));
    const isOne = data.sets.length < 2;
    byId("set-label").hidden = isOne;
    if (isOne) {
      headings.pop().remove();
      table.querySelector("col:last-child").remove();
    }
  }

  function sortBy(column) {
    order.falling = order.column === column && !order.falling;
    order.column = column;
    sort();
    filter();
  }

  // By whole rows and at once: what the browser does by itself loses keys while it still glides.
  function scroll(event) {
    const page = pane.clientHeight - table.tHead.getBoundingClientRect().height - rowHeight;
    const ways = {
      ArrowDown: rowHeight,
      ArrowUp: -rowHeight,
      PageDown: page,
      PageUp: -page,
      " ": event.shiftKey ? -page : page,
      Home: -Infinity,
      End: Infinity,
    };
    if (event.key in ways) {
      event.preventDefault();
      const wanted = pane.scrollTop + ways[event.key] / scale;
      pane.scrollTop = Math.max(0, Math.min(wanted, pane.scrollHeight));
    }
  }

  function onKey(event) {
    const isTyping = event.target.matches("input, select, textarea");
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key === "/" && isPlain && !isTyping) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "Escape" && event.target === search && search.value) {
      event.preventDefault();
      search.value = "";
      filter();
    } else if ((event.key === "ArrowDown" || event.key === "Enter") && event.target === search) {
      event.preventDefault();
      pane.focus();
    } else if (event.target === pane && isPlain) {
      scroll(event);
    }
  }

  if (keys.length === 0) {
    return;
  }
  document.documentElement.classList.add("with-script");
  section.hidden = false;
  chooseEffects();
  chooseSets();
  for (const heading of headings) {
    heading.firstElementChild.addEventListener("click", () => sortBy(heading.dataset.column));
  }
  search.addEventListener("input", filter);
  setChoice.addEventListener("change", filter);
  byId("copy").addEventListener("click", copy);
  pane.addEventListener("scroll", drawSoon, { passive: true });
  window.addEventListener("resize", () => {
    drawn = "";
    drawSoon();
  });
  document.addEventListener("keydown", onKey);
  sort();
  filter();
})();
