// What lies over the slide on one canvas: cells, patterns, outlines, marks; turned and placed as the slide is.

import { pattern } from "./looks.js";

// What counts as bare glass on the screen, of 255.
const GLASS_STEP_PX = 3;
const GLASS_DARKEST = 205;
const GLASS_COLOUR = 16;
const OUTLINES_FROM = 10; // at this magnification a cell is wider than a finger, and its colour in the way
const SILENT_COLOUR = "#4a515c";

export class Overlay {
  constructor(view) {
    this.view = view;
    this.sheets = [0, 1].map(() => document.createElement("canvas"));
    this.pictures = new Map();
  }

  forget() {
    this.pictures.clear();
  }

  // A picture is made once for each choice; a slider passes through many.
  picture(name, make) {
    if (!this.pictures.has(name)) {
      if (this.pictures.size > 24) this.pictures.clear();
      this.pictures.set(name, make());
    }
    return this.pictures.get(name);
  }

  draw(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.view.stage;
    canvas.width = Math.round(clientWidth * ratio);
    canvas.height = Math.round(clientHeight * ratio);
    if (!this.view.item() || !canvas.width || !canvas.height) return;
    this.ratio = ratio;
    this.measure();
    const pen = canvas.getContext("2d");
    if (!this.view.hidden && this.view.planes) this.cells(pen);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (this.view.data.spot && !this.view.spotClosed) this.box(pen, this.view.data.spot);
    if (!this.view.hidden) this.view.drawing.outlines.paint(pen);
    this.view.ruler.draw(pen);
  }

  // Where a cell's corner lies on the screen, and the sides of a cell there; the cells in sight.
  measure() {
    const { placement } = this.view.data;
    const { rows, columns } = this.view.data.cells;
    const origin = this.view.onScreen(placement.x, placement.y);
    const across = this.view.onScreen(placement.x + placement.width, placement.y);
    const down = this.view.onScreen(placement.x, placement.y + placement.height);
    const side = (to, count) => ({ x: (to.x - origin.x) / count, y: (to.y - origin.y) / count });
    this.grid = { origin, right: side(across, columns), down: side(down, rows) };
    this.cellPx = Math.hypot(this.grid.right.x, this.grid.right.y);
    const corners = this.view.corners().map(({ x, y }) => [
      ((x - placement.x) / placement.width) * columns,
      ((y - placement.y) / placement.height) * rows,
    ]);
    const [lefts, tops] = [0, 1].map((i) => corners.map((corner) => corner[i]));
    this.range = {
      left: Math.max(0, Math.floor(Math.min(...lefts))),
      top: Math.max(0, Math.floor(Math.min(...tops))),
      right: Math.min(columns, Math.ceil(Math.max(...lefts))),
      bottom: Math.min(rows, Math.ceil(Math.max(...tops))),
    };
  }

  // The pen in units of cells, (0, 0) at the corner of a cell. Only what is in sight is drawn: a browser places a
  // picture of a hundred thousand px less exactly.
  onCells(pen, left, top) {
    const { origin, right, down } = this.grid;
    const x = origin.x + left * right.x + top * down.x;
    const y = origin.y + left * right.y + top * down.y;
    const values = [right.x, right.y, down.x, down.y, x, y].map((value) => value * this.ratio);
    pen.setTransform(...values);
  }

  get outlined() {
    const { outlines } = this.view.preferences;
    return outlines === "always" || (outlines === "auto" && this.view.place.power >= OUTLINES_FROM);
  }

  cells(pen) {
    pen.save();
    this.clip(pen);
    if (this.view.layer === "seen") {
      this.seen(pen);
    } else if (this.outlined) {
      this.edges(pen, (cell) => this.view.planes.kind(this.view.layer, this.view.threshold, cell), 2);
    } else {
      pen.globalAlpha = this.view.opacity;
      pen.drawImage(this.filled(), 0, 0);
    }
    pen.restore();
    const mark = this.view.planes.marks[this.view.regions.reason];
    if (mark) this.marked(pen, mark);
  }

  // Cells of its own, from the slide's corner on. As above, only what is in sight is drawn.
  seen(pen) {
    const { coverage } = this.view;
    if (!coverage.shown) return;
    const { rows, columns, cell_px } = coverage.grid;
    const corners = this.view.corners();
    const [xs, ys] = ["x", "y"].map((axis) => corners.map((corner) => corner[axis] / cell_px));
    const [left, top] = [xs, ys].map((places) => Math.max(0, Math.floor(Math.min(...places))));
    const width = Math.min(columns, Math.ceil(Math.max(...xs))) - left;
    const height = Math.min(rows, Math.ceil(Math.max(...ys))) - top;
    if (width <= 0 || height <= 0) return;
    const at = (column, row) => this.view.onScreen(column * cell_px, row * cell_px);
    const [origin, across, down] = [at(left, top), at(left + 1, top), at(left, top + 1)];
    const sides = [across.x - origin.x, across.y - origin.y, down.x - origin.x, down.y - origin.y];
    pen.setTransform(...[...sides, origin.x, origin.y].map((value) => value * this.ratio));
    pen.imageSmoothingEnabled = false;
    pen.globalAlpha = this.view.opacity;
    pen.drawImage(coverage.picture(), left, top, width, height, 0, 0, width, height);
  }

  // The cells at the edges reach beyond the slide; there is nothing there to speak of.
  clip(pen) {
    const { width, height } = this.view.data;
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.beginPath();
    for (const [x, y] of [[0, 0], [width, 0], [width, height], [0, height]]) {
      const at = this.view.onScreen(x, y);
      pen.lineTo(at.x, at.y);
    }
    pen.clip();
    pen.setTransform(1, 0, 0, 1, 0, 0);
  }

  filled() {
    const { planes, layer, threshold, preferences, data } = this.view;
    const [sheet, part] = this.sheets.map((canvas) => this.cleared(canvas));
    const { map } = preferences;
    this.paint(sheet, this.picture(`${layer} ${threshold} ${map}`, () => planes.picture(layer, threshold, map)));
    if (layer !== "none" && layer !== "tissue") {
      for (const { code, look } of data.silences) {
        part.setTransform(1, 0, 0, 1, 0, 0);
        part.globalCompositeOperation = "source-over";
        part.clearRect(0, 0, part.canvas.width, part.canvas.height);
        this.paint(part, this.picture(`silent ${code} ${layer === "attention"}`, () => planes.silent(layer, code)));
        part.setTransform(1, 0, 0, 1, 0, 0);
        part.globalCompositeOperation = "source-in";
        part.fillStyle = pattern(part, look, this.ratio);
        part.fillRect(0, 0, part.canvas.width, part.canvas.height);
        sheet.setTransform(1, 0, 0, 1, 0, 0);
        sheet.drawImage(part.canvas, 0, 0);
      }
    }
    this.cutGlass(sheet);
    return sheet.canvas;
  }

  cleared(canvas) {
    canvas.width = this.view.cells.width;
    canvas.height = this.view.cells.height;
    return canvas.getContext("2d");
  }

  paint(pen, picture) {
    const { left, top, right, bottom } = this.range;
    if (right <= left || bottom <= top) return;
    const [width, height] = [right - left, bottom - top];
    this.onCells(pen, left, top);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(picture, left, top, width, height, 0, 0, width, height);
  }

  // A cell is as wide as a tile, and what is said of its tissue is not said of the glass beside it.
  cutGlass(pen) {
    const glass = this.view.data.tiles ? this.glass() : null;
    if (!glass) return;
    // Within the tissue glass is a space of it; at its rim, and where nothing is known of a cell, it is beside it.
    const part = this.cleared(this.sheets[1]);
    this.paint(part, this.picture("rim", () => this.view.planes.rim()));
    part.setTransform(1, 0, 0, 1, 0, 0);
    part.globalCompositeOperation = "source-in";
    part.imageSmoothingEnabled = true;
    part.drawImage(glass, 0, 0, part.canvas.width, part.canvas.height);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.globalCompositeOperation = "destination-out";
    pen.drawImage(part.canvas, 0, 0);
  }

  // Where the picture on the screen is bright and without colour, a few px coarser than the screen.
  glass() {
    const shown = this.view.viewer.drawer.canvas;
    this.pane ??= document.createElement("canvas");
    this.pane.width = Math.ceil(shown.width / GLASS_STEP_PX);
    this.pane.height = Math.ceil(shown.height / GLASS_STEP_PX);
    if (!this.pane.width || !this.pane.height) return null;
    const pen = this.pane.getContext("2d", { willReadFrequently: true });
    pen.drawImage(shown, 0, 0, this.pane.width, this.pane.height);
    const pixels = pen.getImageData(0, 0, this.pane.width, this.pane.height);
    const { data } = pixels;
    for (let i = 0; i < data.length; i += 4) {
      const [low, high] = [Math.min(data[i], data[i + 1], data[i + 2]), Math.max(data[i], data[i + 1], data[i + 2])];
      // Where nothing has been loaded yet, nothing is known.
      const bare = data[i + 3] > 0 && low >= GLASS_DARKEST && high - low <= GLASS_COLOUR;
      data[i + 3] = bare ? 255 : 0;
    }
    pen.putImageData(pixels, 0, 0);
    return this.pane;
  }

  // A line at each side of a cell in sight beyond which the kind is another, within the cell, in the kind's colour.
  edges(pen, kindOf, widthPx, colour) {
    const { planes } = this.view;
    const { left, top, right, bottom } = this.range;
    const lines = new Map();
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const cell = row * planes.columns + column;
        const kind = kindOf(cell);
        if (!kind) continue;
        const beside = planes.beside(cell).map((next) => next < 0 || kindOf(next) !== kind);
        if (!beside.some(Boolean)) continue;
        if (!lines.has(kind)) lines.set(kind, []);
        lines.get(kind).push([column - left, row - top, beside]);
      }
    }
    const inset = (1.2 + widthPx / 2) / this.cellPx;
    for (const [kind, cells] of lines) {
      this.onCells(pen, left, top);
      pen.beginPath();
      for (const cell of cells) this.side(pen, cell, inset);
      for (const [style, extra] of [["#ffffff", 2], [colour ?? this.edgeColour(kind), 0]]) {
        pen.strokeStyle = style;
        pen.lineWidth = (widthPx + extra) / this.cellPx;
        pen.stroke();
      }
    }
  }

  side(pen, [x, y, [left, right, above, below]], inset) {
    const [x0, x1, y0, y1] = [x + inset, x + 1 - inset, y + inset, y + 1 - inset];
    const line = (fromX, fromY, toX, toY) => {
      pen.moveTo(fromX, fromY);
      pen.lineTo(toX, toY);
    };
    const [startX, endX] = [left ? x0 : x, right ? x1 : x + 1];
    const [startY, endY] = [above ? y0 : y, below ? y1 : y + 1];
    if (left) line(x0, startY, x0, endY);
    if (right) line(x1, startY, x1, endY);
    if (above) line(startX, y0, endX, y0);
    if (below) line(startX, y1, endX, y1);
  }

  edgeColour(kind) {
    if (kind > 100) return SILENT_COLOUR;
    if (this.view.layer === "attention") return this.view.planes.attention.colour;
    return this.view.layer === "tissue" ? "#3b6fb6" : this.view.planes.outputs[kind - 1].colour;
  }

  // The tiles of a reason, exactly those.
  marked(pen, mark) {
    pen.save();
    this.edges(pen, (cell) => mark[cell], 3, "#14202b");
    pen.restore();
  }

  box(pen, { x, y, width, height }) {
    const corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]];
    pen.beginPath();
    for (const [imageX, imageY] of corners) {
      const at = this.view.onScreen(imageX, imageY);
      pen.lineTo(at.x, at.y);
    }
    pen.closePath();
    for (const [style, thickness] of [["#ffffff", 4], ["#14202b", 2]]) {
      pen.strokeStyle = style;
      pen.lineWidth = thickness;
      pen.stroke();
    }
  }
}
