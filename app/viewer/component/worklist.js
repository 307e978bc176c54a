// The list of slides. What is opened is the id that the row on the screen carries, whatever was added meanwhile.
// Rows are fetched from the viewer's own route; search, filter and order are done here, so that they take no round trip.

const ROW_PX = 58;
// Up to so many rows all are drawn: a browser bears that, and its own search finds them.
const DRAWN_AT_ONCE = 300;
const SPARE = 12;
const LOOK_MS = 2000;
const ANSWER_MS = 10_000;
// The first list of a hundred thousand slides takes seconds, on a busy machine many.
const FIRST_ANSWER_MS = 90_000;
const LOOK_OPENING_MS = 100;
// A click may follow its pointer's release by so much: after a touch the browser waits whether it was the first of two.
const CLICK_MS = 400;
const GONE = "pulmoscope does not answer. If it was started again, open the address that it printed.";

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const states = new WeakMap();
// Kept while the tab is open: who comes back from a slide finds the row.
let opened = null;
// What is searched for may be a case, and a case a patient: where cases are told, it is kept here and in no address.
let sought = "";

function address(byCase) {
  const words = new URLSearchParams(location.search);
  return { find: byCase ? sought : words.get("find") ?? "", status: words.get("status") ?? "all", sort: words.get("sort") ?? "" };
}

function keep(view, byCase) {
  if (byCase) [sought, view] = [view.find, { ...view, find: "" }];
  const words = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(view)) {
    if (value && !(name === "status" && value === "all")) words.set(name, value);
    else words.delete(name);
  }
  const text = words.toString();
  history.replaceState(history.state, "", location.pathname + (text ? `?${text}` : ""));
}

function compare(a, b) {
  if (a == null || a === "" || b == null || b === "") return (a == null || a === "") - (b == null || b === "");
  return typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
}

// Absent figures stay at the end in either direction; equal rows keep the order of what needs a person first.
function inOrder(rows, sort) {
  const [descending, name] = sort.startsWith("-") ? [true, sort.slice(1)] : [false, sort];
  const first = (a, b) => a.rank - b.rank || collator.compare(a.id, b.id);
  if (!name) return rows.sort(first);
  return rows.sort((a, b) => {
    const absent = a[name] == null || a[name] === "" || b[name] == null || b[name] === "";
    return (descending && !absent ? compare(b[name], a[name]) : compare(a[name], b[name])) || first(a, b);
  });
}

function fits(row, { find, status }, statuses) {
  if (status === "unsigned" ? row.signed : status !== "all" && row.status !== status) return false;
  row.searched ??= [row.id, row.case, row.call, row.why, row.review, row.words, statuses[row.status]].join(" ").toLowerCase();
  return find.toLowerCase().split(/\s+/).every((word) => row.searched.includes(word));
}

function text(tag, className, words) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = words;
  return element;
}

function picture(row, kind, data) {
  const box = text("span", kind === "map" ? "wl-picture wl-map" : "wl-picture", "");
  if (!row.picture) return box;
  const image = box.appendChild(document.createElement("img"));
  image.alt = "";
  image.loading = "lazy";
  image.decoding = "async";
  image.onerror = () => image.remove();
  image.src = new URL(`${data.pictures}/${kind}/${encodeURIComponent(row.id)}?of=${row.picture}`, document.baseURI);
  return box;
}

function cell({ name, kind }, row, data) {
  if (kind === "picture") return picture(row, name, data);
  const value = row[name];
  const box = text("span", `wl-${kind}`, "");
  if (kind === "name") {
    const link = box.appendChild(text("a", "", value));
    link.href = `?slide=${encodeURIComponent(value)}`;
    link.tabIndex = -1;
  } else if (kind === "case" && value) {
    const link = box.appendChild(text("a", "", value));
    link.href = `?case=${encodeURIComponent(row.case_token)}`;
    link.tabIndex = -1;
    box.title = value;
  } else if (kind === "status") box.append(text("span", `ps-chip ps-${value}`, data.statuses[value] ?? value));
  else if (kind === "bar" && value != null) {
    const bar = box.appendChild(text("span", "wl-track", ""));
    bar.appendChild(document.createElement("i")).style.width = `${Math.min(1, Math.max(0, value)) * 100}%`;
    box.append(row.told);
  } else if (kind === "number") box.textContent = value == null ? "" : name === "mpp" ? Number(value.toPrecision(4)) : value.toFixed(2);
  else if (value != null) box.textContent = value;
  if (kind === "text") box.title = value ?? "";
  return box;
}

// Only what changed is drawn anew.
function fill(element, row, data) {
  data.columns.forEach((column, place) => {
    const told = JSON.stringify(column.kind === "picture" ? row.picture : [row[column.name], column.kind === "bar" && row.told]);
    const before = element.children[place];
    if (before?.told === told) return;
    const box = cell(column, row, data);
    box.setAttribute("role", "gridcell");
    box.told = told;
    if (before) before.replaceWith(box);
    else element.append(box);
  });
}

// The slides that the list shows now, as one ZIP. The browser saves it as it comes; how far it is, the server tells.
class Exporter {
  constructor(root, list) {
    Object.assign(this, { list, form: root.querySelector(".wl-exporting"), running: null });
    this.far = this.form.querySelector(".wl-far");
    this.start = this.form.querySelector("button");
    const open = root.querySelector(".wl-export");
    open.onclick = () => {
      this.form.hidden = !this.form.hidden;
      open.setAttribute("aria-expanded", !this.form.hidden);
    };
    for (const { name, title } of list.told.formats) {
      const label = this.form.querySelector("fieldset").appendChild(text("label", "", ""));
      const box = label.appendChild(document.createElement("input"));
      Object.assign(box, { type: "checkbox", name, checked: ["html", "json"].includes(name), onchange: () => this.count() });
      label.append(title);
    }
    const language = this.form.querySelector("select");
    language.replaceChildren(...list.told.languages.map(({ name, title }) => new Option(title, name)));
    this.form.onsubmit = (event) => {
      event.preventDefault();
      if (this.running) this.cancel();
      else this.begin().catch(() => this.say("The export could not be started: pulmoscope does not answer."));
    };
    this.count();
  }

  formats() {
    return [...this.form.querySelectorAll("input:checked")].map((box) => box.name);
  }

  count() {
    const slides = this.list.order.filter((id) => !["queued", "running"].includes(this.list.rows.get(id)?.status)).length;
    this.form.querySelector("legend").textContent = `${slides} ${slides === 1 ? "slide" : "slides"}, as the list shows them now`;
    this.start.disabled = !this.running && (!slides || !this.formats().length);
  }

  say(words) {
    this.far.replaceChildren(words);
  }

  at(rest = "") {
    return new URL(this.list.told.exports + rest, document.baseURI);
  }

  async begin() {
    const body = JSON.stringify({ ids: this.list.order, formats: this.formats(), language: this.form.querySelector("select").value });
    const answer = await fetch(this.at(), { method: "POST", body, signal: AbortSignal.timeout(ANSWER_MS) });
    if (!answer.ok) return this.say(await answer.text());
    this.running = (await answer.json()).export;
    const link = Object.assign(document.createElement("a"), { href: this.at(`/${this.running}.zip`), download: "" });
    link.click();
    this.start.textContent = "Cancel";
    this.follow();
  }

  async follow() {
    const answer = await fetch(this.at(`/${this.running}`), { signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => null);
    const told = answer?.ok ? await answer.json() : { end: "failed" };
    if (!told.end) {
      const bar = Object.assign(document.createElement("progress"), { max: told.total, value: told.done });
      bar.setAttribute("aria-label", "Slides exported");
      this.far.replaceChildren(bar, `${told.done} of ${told.total} slides`);
      return setTimeout(() => this.follow(), 500);
    }
    this.running = null;
    this.start.textContent = "Save as ZIP";
    const left = told.left_out ? `; ${told.left_out} could not be read, not-exported.txt in the ZIP says why` : "";
    this.say({
      done: `Done: ${told.total - told.left_out} of ${told.total} slides are in the ZIP${left}.`,
      cancelled: "Cancelled. What the browser saved of it is no whole ZIP.",
    }[told.end] ?? "The export broke off. What the browser saved of it is no whole ZIP.");
    this.count();
  }

  cancel() {
    fetch(this.at(`/${this.running}`), { method: "DELETE" }).catch(() => null);
  }
}

class List {
  constructor(root, told) {
    Object.assign(this, { root, told, rows: new Map(), order: [], elements: new Map(), version: "", live: new Map() });
    Object.assign(this, { filters: new Map(), pressing: new Set(), coming: null, gone: new AbortController() });
    this.view = address(told.cases);
    this.part = (name) => root.querySelector(name);
    this.body = this.part(".wl-body");
    this.grid = this.part(".wl");
    this.before = text("div", "", "");
    this.after = text("div", "", "");
    for (const spacer of [this.before, this.after]) spacer.setAttribute("role", "presentation");
    this.listen();
    this.exporter = new Exporter(root, this);
    this.drawHead();
    this.look();
  }

  listen() {
    const search = this.part("input");
    // What was typed before anybody listened counts; the address is of before.
    if (search.value) keep(Object.assign(this.view, { find: search.value }), this.told.cases);
    else search.value = this.view.find;
    if (this.told.cases) search.placeholder = "Slide, case, call, reason or person";
    this.grid.classList.toggle("wl-cases", this.told.cases);
    search.oninput = () => this.change({ find: search.value });
    this.grid.onscroll = () => this.paint();
    this.part(".wl-moved button").onclick = () => this.sortAgain();
    this.body.onclick = (event) => {
      const row = event.target.closest(".wl-row");
      // With a key or another button the browser opens the link in a tab of its own.
      if (!row || event.target.closest(".wl-case a") || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      this.open(row.dataset.slideId);
    };
    this.body.addEventListener("focusin", ({ target }) => this.stand(target.closest(".wl-row")?.dataset.slideId));
    this.body.onkeydown = (event) => this.key(event);
    this.standStill();
  }

  // A click is of what was pressed and let go. What is drawn anew in between would take it along: new rows wait for it.
  standStill() {
    const heard = { capture: true, passive: true, signal: this.gone.signal };
    const up = ({ pointerId }) => {
      if (!this.pressing.delete(pointerId)) return;
      clearTimeout(this.clicking);
      this.clicking = setTimeout(() => {
        this.clicking = null;
        this.catchUp();
      }, CLICK_MS);
    };
    this.root.addEventListener("pointerdown", ({ pointerId }) => this.pressing.add(pointerId), heard);
    window.addEventListener("pointerup", up, heard);
    window.addEventListener("pointercancel", up, heard);
    // Let go where nobody tells us: outside of the window.
    window.addEventListener("pointermove", (event) => event.buttons || up(event), heard);
  }

  catchUp() {
    if (!this.coming || this.pressing.size || this.clicking) return;
    const list = this.coming;
    this.coming = null;
    if (!this.opening) this.take(list);
  }

  change(view) {
    Object.assign(this.view, view);
    keep(this.view, this.told.cases);
    this.drawHead();
    this.grid.scrollTop = 0;
    this.sortAgain();
  }

  // --- rows

  async look() {
    if (!this.root.isConnected) return this.gone.abort();
    if (!document.hidden && !this.opening) await this.fetchRows().catch(() => this.silent());
    this.timer = setTimeout(() => this.look(), LOOK_MS);
  }

  async fetchRows() {
    const answer = await fetch(new URL(`${this.told.feed}?have=${this.version}`, document.baseURI), { signal: AbortSignal.timeout(this.taken ? ANSWER_MS : FIRST_ANSWER_MS) });
    if (answer.status === 403) {
      this.renew();
      return this.silent();
    }
    if (!answer.ok) return this.silent();
    this.failures = 0;
    this.alert("");
    if (answer.status === 204) return;
    this.coming = this.whole(await answer.json());
    this.version = this.coming.version;
    this.catchUp();
  }

  // Of a list that we have, only what changed comes. Pieced together at once: the next answer goes by this one.
  whole(list) {
    const rows = list.gone ? new Map(this.latest) : new Map();
    for (const id of list.gone ?? []) rows.delete(id);
    for (const row of list.rows) rows.set(row.id, row);
    this.latest = rows;
    return { ...list, rows };
  }

  // In the place of what is told of batches: the list stays where it is.
  alert(words) {
    this.part(".wl-alert").textContent = words;
    this.part(".wl-alert").hidden = !words;
    this.part(".wl-told").hidden = Boolean(words);
  }

  silent() {
    this.failures = (this.failures ?? 0) + 1;
    if (this.failures > 1) this.alert(GONE);
  }

  take(list) {
    const [before, first] = [this.rows, !this.taken];
    this.taken = true;
    this.rows = list.rows;
    for (const [id, element] of this.elements) {
      const [old, now] = [before.get(id), this.rows.get(id)];
      if (!now) this.elements.delete(id);
      else if (JSON.stringify({ ...old, searched: 0 }) !== JSON.stringify({ ...now, searched: 0 })) fill(element, now, this.told);
    }
    this.tellBatches(list);
    this.drawFilters();
    if (first || !this.order.length) this.sortAgain();
    else this.append();
    if (first) this.back();
    if (first) requestIdleCallback(() => this.fetchAhead());
  }

  // What a slide is drawn with, so that the first one opens as quickly as the next.
  fetchAhead() {
    for (const address of this.told.ahead) {
      const href = new URL(address, document.baseURI).href;
      if (document.head.querySelector(`link[href="${href}"]`)) continue;
      const library = address.endsWith(".min.js");
      const link = Object.assign(document.createElement("link"), { rel: library ? "prefetch" : "modulepreload", href });
      document.head.append(link);
    }
  }

  matching() {
    return [...this.rows.values()].filter((row) => fits(row, this.view, this.told.statuses));
  }

  sortAgain() {
    this.order = inOrder(this.matching(), this.view.sort).map((row) => row.id);
    this.part(".wl-moved").hidden = true;
    this.paint(true);
  }

  // What is on the screen stays where it is, so that nobody hits another slide than the one aimed at.
  append() {
    const fitting = inOrder(this.matching(), this.view.sort).map((row) => row.id);
    const known = new Set(this.order);
    this.order = [...this.order.filter((id) => this.rows.has(id)), ...fitting.filter((id) => !known.has(id))];
    const moved = this.order.filter((id, place) => fitting[place] !== id).length;
    this.part(".wl-moved").hidden = !moved;
    this.part(".wl-moved span").textContent = "Slides are new or changed, and stand where they came in.";
    this.paint(true);
  }

  // --- drawing

  paint(anew) {
    const count = this.order.length;
    const all = count <= DRAWN_AT_ONCE;
    const top = Math.floor(this.grid.scrollTop / ROW_PX);
    const seen = Math.ceil(this.grid.clientHeight / ROW_PX);
    const from = all ? 0 : Math.max(0, Math.min(top - SPARE, count - seen - 2 * SPARE));
    const to = all ? count : Math.min(count, from + seen + 2 * SPARE);
    if (!anew && from === this.from && to === this.to) return;
    [this.from, this.to] = [from, to];
    this.before.style.height = `${from * ROW_PX}px`;
    this.after.style.height = `${(count - to) * ROW_PX}px`;
    this.grid.setAttribute("aria-rowcount", count + 1);
    this.part(".wl-count").textContent = this.counted(count, this.rows.size);
    if (!this.rows.has(this.current) || !this.order.includes(this.current)) this.current = this.order[0];
    const wanted = [this.before, ...this.order.slice(from, to).map((id, place) => this.element(id, from + place)), this.after];
    const stay = new Set(wanted);
    for (const child of [...this.body.children]) if (!stay.has(child)) child.remove();
    let next = this.body.firstChild;
    for (const child of wanted) {
      if (child === next) next = next.nextSibling;
      else this.body.insertBefore(child, next);
    }
    if (this.elements.size > 4 * DRAWN_AT_ONCE) for (const [id, element] of this.elements) if (!element.isConnected) this.elements.delete(id);
    const none = this.part(".wl-none");
    none.hidden = count > 0;
    none.textContent = this.rows.size ? "No slide matches. Clear the search, or choose another status." : this.told.empty;
    this.grid.hidden = !count;
    this.exporter?.count();
  }

  counted(shown, all) {
    if (!all) return "";
    return `${shown === all ? "" : `${shown} of `}${all} ${all === 1 ? "slide" : "slides"}`;
  }

  element(id, place) {
    let row = this.elements.get(id);
    if (!row) {
      row = text("div", "wl-row wl-line", "");
      row.setAttribute("role", "row");
      row.dataset.testid = "worklist-row";
      row.dataset.slideId = id;
      fill(row, this.rows.get(id), this.told);
      this.elements.set(id, row);
    }
    row.setAttribute("aria-rowindex", place + 2);
    row.tabIndex = id === this.current ? 0 : -1;
    return row;
  }

  drawHead() {
    const sorted = this.view.sort.replace("-", "");
    const descending = this.view.sort.startsWith("-");
    const held = [...this.part(".wl-head").querySelectorAll("button")].indexOf(document.activeElement);
    const titles = this.told.columns.map(({ title, name, kind }) => {
      const box = text("span", kind === "number" ? "wl-number" : "", "");
      box.setAttribute("role", "columnheader");
      if (kind === "picture") {
        box.append(text("span", "wl-unseen", title));
        return box;
      }
      const own = name === sorted;
      if (own) box.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const button = box.appendChild(text("button", "", title + (own ? (descending ? " ▼" : " ▲") : "")));
      button.type = "button";
      button.onclick = () => this.change({ sort: own ? (descending ? "" : `-${name}`) : name });
      return box;
    });
    this.part(".wl-head").replaceChildren(...titles);
    this.part(".wl-head").setAttribute("aria-rowindex", 1);
    if (held >= 0) this.part(".wl-head").querySelectorAll("button")[held].focus();
  }

  drawFilters() {
    const counts = { all: this.rows.size, unsigned: 0 };
    for (const row of this.rows.values()) {
      counts[row.status] = (counts[row.status] ?? 0) + 1;
      counts.unsigned += !row.signed;
    }
    const group = this.part(".wl-filters");
    // All of them, always: one that came in would push the others from under the pointer, and the list, too.
    for (const [name, title] of Object.entries({ all: "All", ...this.told.statuses, unsigned: "Not signed" })) {
      if (!this.filters.has(name)) this.filters.set(name, group.appendChild(this.filter(name)));
      const button = this.filters.get(name);
      button.textContent = `${title} ${counts[name] ?? 0}`;
      button.setAttribute("aria-pressed", name === this.view.status);
    }
  }

  filter(name) {
    const button = text("button", "", "");
    button.type = "button";
    button.onclick = () => {
      this.change({ status: name });
      this.drawFilters();
    };
    return button;
  }

  tellBatches({ live, ended }) {
    const seen = this.live;
    this.live = new Map(live.map((run) => [run.run, run]));
    const words = live.map(({ done, slides, failed }) => {
      const line = text("div", "", `${done} of ${slides} done${failed ? `, ${failed} failed` : ""}`);
      const bar = document.createElement("progress");
      [bar.max, bar.value] = [slides || 1, done];
      bar.setAttribute("aria-label", "Slides done");
      line.append(bar);
      return line;
    });
    const over = ended.filter(({ run }) => seen.has(run)).map(({ done, failed, how, slides }) =>
      text("div", "", `A batch ended (${how}): ${done} of ${slides} done${failed ? `, ${failed} failed` : ""}.`));
    const gone = [...seen.keys()].filter((run) => !this.live.has(run) && !ended.some((one) => one.run === run));
    if (gone.length) over.push(text("div", "", "A batch went away without an end: it was killed, or its machine is gone. Start it again; what is done is kept."));
    if (words.length || over.length || seen.size) this.part(".wl-told").replaceChildren(...words, ...over);
  }

  // --- a person

  stand(id) {
    if (!id || id === this.current) return;
    const before = this.elements.get(this.current);
    if (before) before.tabIndex = -1;
    this.current = id;
    this.elements.get(id).tabIndex = 0;
  }

  goTo(place) {
    const id = this.order[place];
    if (id === undefined) return;
    const head = this.part(".wl-top").offsetHeight;
    const [top, bottom] = [place * ROW_PX, (place + 1) * ROW_PX];
    const room = this.grid.clientHeight - head;
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (bottom > this.grid.scrollTop + room) this.grid.scrollTop = bottom - room;
    this.paint();
    this.elements.get(id)?.focus({ preventScroll: true });
  }

  key(event) {
    const row = event.target.closest(".wl-row");
    if (!row || event.altKey) return;
    const id = row.dataset.slideId;
    const place = this.order.indexOf(id);
    if (event.key === "Enter") {
      if (event.ctrlKey || event.metaKey) window.open(`?slide=${encodeURIComponent(id)}`, "_blank", "noopener");
      else this.open(id);
      return event.preventDefault();
    }
    const page = Math.max(1, Math.floor(this.grid.clientHeight / ROW_PX) - 2);
    const last = this.order.length - 1;
    const target = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: last, PageDown: Math.min(last, place + page), PageUp: Math.max(0, place - page) }[event.key];
    if (target === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.goTo(target);
  }

  // Who comes back stands on the row that was opened.
  back() {
    const place = this.order.indexOf(opened);
    if (place >= 0) this.goTo(place);
    opened = null;
  }

  // The rows go at once: while the page changes they could only be of yesterday.
  open(id) {
    opened = id;
    this.opening = true;
    const note = text("div", "wl-opening", "");
    note.setAttribute("role", "row");
    note.appendChild(text("span", "", `Opening ${id} …`)).setAttribute("role", "gridcell");
    this.body.style.minHeight = `${Math.min(this.body.clientHeight, this.grid.clientHeight)}px`;
    this.body.replaceChildren(note);
    this.send({ id, at: location.search });
    const until = performance.now() + ANSWER_MS;
    let answered = false;
    const looking = setInterval(() => {
      const away = new URLSearchParams(location.search).has("slide");
      answered ||= away;
      if (this.root.isConnected && (answered ? away : performance.now() < until)) return;
      clearInterval(looking);
      if (this.root.isConnected) this.stay(answered);
    }, LOOK_OPENING_MS);
  }

  // The slide was not opened: nobody answered, or the person came back before it was drawn.
  stay(answered) {
    this.opening = false;
    this.body.style.minHeight = "";
    this.paint(true);
    this.catchUp();
    if (answered) return this.back();
    this.failures = 1;
    this.silent();
  }
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement;
  let list = states.get(root.querySelector(".wl"));
  if (list) {
    const renewed = list.told.feed !== data.feed;
    list.told = data;
    if (renewed) list.version = "";
  } else {
    list = new List(root, data);
    states.set(root.querySelector(".wl"), list);
  }
  list.send = (value) => setTriggerValue("open", value);
  list.renew = () => {
    if (Date.now() - (list.renewed ?? 0) < 30_000) return;
    list.renewed = Date.now();
    setTriggerValue("renew", list.renewed);
  };
}
