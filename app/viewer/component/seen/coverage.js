// What of the slide was on the screen, and how large: cells of 32 um, each with the greatest magnification that it was
// shown at. Kept in this tab alone until somebody signs; nothing of when, in which order or for how long.

import { prefer } from "../slide/store.js";

const STILL_MS = 500; // what is passed over on the way is not counted
const WAIT_MS = 250;
const TOLERANCE = 1.001; // 20x is 20x though the zoom is 19.99
const COLOUR = [11, 110, 105];
const tab = new Map();

export class Coverage {
  constructor(view, button) {
    Object.assign(this, { view, button });
    // Who signs asks what was on the screen, before the press is heard.
    this.answer = (event) => this.on && (event.detail.coverage = { runs: this.runs() });
    document.addEventListener("ps-screen", this.answer);
    this.reset();
  }

  leave() {
    clearTimeout(this.timer);
    document.removeEventListener("ps-screen", this.answer);
  }

  watch(viewer) {
    for (const name of ["viewport-change", "open", "resize", "rotate"]) viewer.addHandler(name, () => this.still());
  }

  get grid() {
    return this.view.data?.coverage ?? null;
  }

  // A signed record is shown as it was signed; then nothing is counted.
  get signed() {
    return this.grid?.signed ?? null;
  }

  get on() {
    return Boolean(this.grid && !this.signed && this.seen && this.view.preferences.coverage);
  }

  get shown() {
    return this.signed ? this.signedSeen : this.on ? this.seen : null;
  }

  reset() {
    Object.assign(this, { seen: null, tissue: null, signedSeen: null, sheet: null });
  }

  // Anew for another slide, another reader, or once it is signed.
  sync() {
    const { grid } = this;
    const name = grid && JSON.stringify([this.view.data.view, grid.of, grid.rows, grid.columns]);
    if (this.name !== name) {
      this.reset();
      this.name = name;
    }
    if (grid) {
      // Whoever was nameless and told a name is the same person; another name is another.
      const kept = tab.get(name);
      const same = kept && (!kept.reader || kept.reader === grid.reader);
      const seen = same ? kept.seen : new Uint8Array(grid.rows * grid.columns);
      tab.set(name, { seen, reader: grid.reader });
      this.seen = seen;
      if (this.signed) this.signedSeen ??= expand(this.signed.runs, grid.rows * grid.columns);
      this.still();
    }
    this.tell();
  }

  still() {
    clearTimeout(this.timer);
    if (this.on) this.timer = setTimeout(() => this.look(), STILL_MS);
  }

  look() {
    if (!this.on || !this.view.item() || !this.view.data.tiles) return;
    const sharp = this.view.item().getFullyLoaded() && !document.hidden;
    if (!sharp) return (this.timer = setTimeout(() => this.look(), WAIT_MS));
    this.mark();
  }

  mark() {
    const { rows, columns, cell_px, steps } = this.grid;
    const step = steps.filter((power) => power <= this.view.place.power * TOLERANCE).length;
    if (!step) return;
    const corners = this.view.corners().map(({ x, y }) => [x / cell_px, y / cell_px]);
    const heights = corners.map(([, y]) => y);
    const top = Math.max(0, Math.ceil(Math.min(...heights) - 0.5));
    const bottom = Math.min(rows - 1, Math.floor(Math.max(...heights) - 0.5));
    for (let row = top; row <= bottom; row++) {
      const [from, to] = span(corners, row + 0.5);
      const [left, right] = [Math.max(0, Math.ceil(from - 0.5)), Math.min(columns - 1, Math.floor(to - 0.5))];
      for (let cell = row * columns + left; cell <= row * columns + right; cell++) {
        if (this.seen[cell] < step) this.seen[cell] = step;
      }
    }
    this.sheet = null;
    this.tell();
    if (this.view.layer === "seen") this.view.draw();
  }

  // Whether the middle of each cell lies in tissue.
  measureTissue() {
    const { planes, data } = this.view;
    if (!planes || this.tissue) return this.tissue;
    const { rows, columns, cell_px } = this.grid;
    const { placement } = data;
    const side = placement.width / planes.columns;
    this.tissue = new Uint8Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      const y = Math.floor(((row + 0.5) * cell_px - placement.y) / side);
      if (y < 0 || y >= planes.rows) continue;
      for (let column = 0; column < columns; column++) {
        const x = Math.floor(((column + 0.5) * cell_px - placement.x) / side);
        if (x >= 0 && x < planes.columns && planes.tissue[y * planes.columns + x]) this.tissue[row * columns + column] = 1;
      }
    }
    return this.tissue;
  }

  // The share of the tissue that was shown at the step of the figure, or larger.
  share() {
    const tissue = this.measureTissue();
    if (!tissue || !this.shown) return null;
    const step = this.grid.steps.indexOf(this.grid.figure) + 1;
    let [of, among] = [0, 0];
    for (let cell = 0; cell < tissue.length; cell++) {
      if (!tissue[cell]) continue;
      among++;
      if (this.shown[cell] >= step) of++;
    }
    return among ? of / among : 0;
  }

  tell() {
    const { button, grid } = this;
    button.hidden = !grid;
    if (!grid) return;
    const share = this.share();
    const figure = share === null ? "" : ` ${Math.floor(100 * share)}%`;
    button.textContent = this.shown ? `Seen at ${grid.figure}x:${figure}` : "Seen: not kept";
    button.disabled = Boolean(this.signed);
    button.setAttribute("aria-pressed", Boolean(this.shown));
    button.title = this.signed
      ? "Share of the tissue that was on the screen at this magnification or more before the signature"
      : "Share of the tissue that was on the screen at this magnification or more; kept with the signature. "
        + (this.on ? "Press, and nothing is kept" : "Press, and it is kept from now on");
  }

  // Switched off, what was counted so far is forgotten.
  toggle() {
    prefer({ coverage: !this.view.preferences.coverage });
    this.seen?.fill(0);
    this.sheet = null;
    this.sync();
    this.view.say(this.on ? "What you look at is kept with your signature." : "Nothing of what you look at is kept.");
    this.view.offerLayers(this.view.layer);
    this.view.draw();
  }

  picture() {
    if (this.sheet) return this.sheet;
    const { rows, columns, steps } = this.grid;
    this.sheet = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
    const pen = this.sheet.getContext("2d");
    const pixels = pen.createImageData(columns, rows);
    this.shown.forEach((step, cell) => step && pixels.data.set(shadeOf(step, steps.length), 4 * cell));
    pen.putImageData(pixels, 0, 0);
    return this.sheet;
  }

  legend() {
    const { steps } = this.grid;
    return steps.map((power, i) => {
      const [red, green, blue, alpha] = shadeOf(i + 1, steps.length);
      return { title: `on the screen at ${power}x`, colour: `rgba(${red}, ${green}, ${blue}, ${alpha / 255})` };
    });
  }

  runs() {
    const runs = [];
    for (let at = 0; at < this.seen.length; ) {
      let end = at + 1;
      while (end < this.seen.length && this.seen[end] === this.seen[at]) end++;
      runs.push(this.seen[at], end - at);
      at = end;
    }
    return runs;
  }
}

function shadeOf(step, steps) {
  return [...COLOUR, Math.round(255 * (step / steps))];
}

// Where a horizontal line enters and leaves a convex outline.
function span(corners, y) {
  const crossed = [];
  corners.forEach(([x0, y0], i) => {
    const [x1, y1] = corners[(i + 1) % corners.length];
    if (y0 === y1) {
      if (y0 === y) crossed.push(x0, x1);
    } else if (Math.min(y0, y1) <= y && y <= Math.max(y0, y1)) crossed.push(x0 + ((y - y0) * (x1 - x0)) / (y1 - y0));
  });
  return [Math.min(...crossed), Math.max(...crossed)];
}

function expand(runs, cells) {
  const seen = new Uint8Array(cells);
  for (let i = 0, at = 0; i < runs.length; at += runs[i + 1], i += 2) seen.fill(runs[i], at, at + runs[i + 1]);
  return seen;
}
