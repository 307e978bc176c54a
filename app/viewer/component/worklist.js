// The list of slides. What is opened is the id that the row on the screen carries, whatever was added meanwhile.
// Streamlit calls the default export at every run of the page; rows are drawn again only where they changed.

// Kept while the tab is open: who comes back from a slide finds the list as it was.
let sorting = { column: null, descending: false };
let opened = null;
const drawn = new WeakMap();
const ANSWER_MS = 10_000;

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function compare(a, b) {
  if (a == null || b == null) return (a == null) - (b == null);
  return typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
}

// Absent figures stay at the end in either direction; equal rows keep the order of the server.
function inOrder({ rows }) {
  const { column, descending } = sorting;
  if (column === null) return rows;
  const key = (row) => row.cells[column].value;
  return [...rows].sort((a, b) => {
    const absent = key(a) == null || key(b) == null;
    return descending && !absent ? compare(key(b), key(a)) : compare(key(a), key(b));
  });
}

function cellElement({ kind }, { text, value, look }) {
  const cell = document.createElement("span");
  cell.setAttribute("role", "cell");
  cell.className = `wl-${kind}`;
  cell.title = text;
  if (kind === "bar" && value != null) {
    const bar = cell.appendChild(document.createElement("span"));
    bar.className = "wl-track";
    bar.appendChild(document.createElement("i")).style.width = `${Math.min(1, Math.max(0, value)) * 100}%`;
  }
  if (kind === "status") {
    const chip = cell.appendChild(document.createElement("span"));
    chip.className = `ps-chip ps-${look}`;
    chip.textContent = text;
  } else cell.append(text);
  return cell;
}

function rowElement({ columns }, { id, cells }) {
  const row = document.createElement("div");
  row.className = "wl-row wl-line";
  row.setAttribute("role", "row");
  row.tabIndex = 0;
  row.dataset.testid = "worklist-row";
  row.dataset.slideId = id;
  row.append(...cells.map((cell, column) => cellElement(columns[column], cell)));
  return row;
}

function drawHead(head, { columns }, sortBy) {
  const titles = columns.map(({ title, kind }, column) => {
    const cell = document.createElement("span");
    const sorted = sorting.column === column;
    cell.setAttribute("role", "columnheader");
    cell.className = kind === "number" ? "wl-number" : "";
    if (sorted) cell.setAttribute("aria-sort", sorting.descending ? "descending" : "ascending");
    const button = cell.appendChild(document.createElement("button"));
    button.type = "button";
    button.textContent = title + (sorted ? (sorting.descending ? " ▼" : " ▲") : "");
    button.onclick = () => sortBy(column);
    return cell;
  });
  head.replaceChildren(...titles);
}

function moved(row, key) {
  const rows = row.parentElement.children;
  return { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling, Home: rows[0], End: rows[rows.length - 1] }[key];
}

function draw(root, data) {
  const [head, body] = [root.querySelector(".wl-head"), root.querySelector(".wl-body")];
  const held = document.activeElement;
  const [focused, title] = [held?.dataset.slideId, [...head.querySelectorAll("button")].indexOf(held)];
  drawHead(head, data, (column) => {
    const again = sorting.column === column;
    sorting = again && sorting.descending ? { column: null, descending: false } : { column, descending: again };
    draw(root, data);
  });
  body.style.minHeight = "";
  body.replaceChildren(...inOrder(data).map((row) => rowElement(data, row)));
  const back = [...body.children].find((row) => row.dataset.slideId === (focused ?? opened));
  if (title >= 0) head.querySelectorAll("button")[title].focus();
  else if (back && focused) back.focus({ preventScroll: true });
  else back?.scrollIntoView({ block: "nearest" });
  opened = null;
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".wl");
  const body = root.querySelector(".wl-body");
  const show = () => {
    drawn.set(root, JSON.stringify(data.rows));
    draw(root, data);
  };
  // The rows go at once: while the page changes they could only be of yesterday.
  const open = (row) => {
    opened = row.dataset.slideId;
    drawn.delete(root);
    const note = document.createElement("div");
    note.className = "wl-note";
    note.setAttribute("role", "status");
    note.textContent = `Opening ${opened} …`;
    body.style.minHeight = `${body.clientHeight}px`;
    body.replaceChildren(note);
    setTriggerValue("open", opened);
    setTimeout(() => {
      if (!root.isConnected || drawn.has(root)) return;
      show();
      note.textContent = "pulmoscope does not answer. If it was started again, open the address that it printed.";
      note.setAttribute("role", "alert");
      body.prepend(note);
    }, ANSWER_MS);
  };
  body.onclick = (event) => {
    const row = event.target.closest(".wl-row");
    if (row) open(row);
  };
  body.onkeydown = (event) => {
    const row = event.target.closest(".wl-row");
    if (!row || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Enter") open(row);
    else if (!moved(row, event.key)) return;
    else moved(row, event.key).focus();
    event.preventDefault();
  };
  if (drawn.get(root) !== JSON.stringify(data.rows)) show();
}
