// A result's cells as they come from the server, and a layer of them as a picture: one px a cell.

import { rgb, shade } from "./looks.js";

const [SCALE, ABSENT] = [65534, 65535]; // a probability of 1, and that there is none
const TISSUE_COLOUR = "#3b6fb6";

export class Planes {
  // `packed`: deflated, in base64; probabilities and, where there is one, attention (uint16), then calls, silences,
  // tissue and marks (uint8).
  static async read({ packed, rows, columns, outputs, marks, attention }) {
    const deflated = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Planes(await new Response(stream).arrayBuffer(), rows, columns, outputs, marks, attention);
  }

  constructor(bytes, rows, columns, outputs, marks, attention) {
    const cells = rows * columns;
    Object.assign(this, { rows, columns });
    const shares = Array.from(
      { length: outputs.length + (attention ? 1 : 0) }, (_, i) => new Uint16Array(bytes, 2 * cells * i, cells),
    );
    this.probabilities = shares.slice(0, outputs.length);
    this.attention = attention ? { ...attention, shares: shares.at(-1) } : null;
    const [call, silence, tissue, ...marked] = Array.from(
      { length: 3 + marks.length }, (_, i) => new Uint8Array(bytes, cells * (2 * shares.length + i), cells),
    );
    Object.assign(this, { call, silence, tissue });
    this.outputs = outputs;
    this.marks = Object.fromEntries(marks.map((name, i) => [name, marked[i]]));
  }

  // What a cell is in a layer: 0 nothing, 1 to n an output, above 100 a silence.
  kind(layer, threshold, cell) {
    const least = threshold * SCALE;
    const called = this.call[cell];
    if (layer === "none") return 0;
    if (layer === "tissue") return this.tissue[cell] ? 1 : 0;
    // A slide model looks at tissue that the tile model does not know, too.
    if (layer === "attention" && this.attended(cell)) return this.attention.shares[cell] >= least ? 1 : 0;
    if (this.silence[cell]) return 100 + this.silence[cell];
    if (!called || layer === "attention") return 0;
    if (layer.startsWith("class-")) {
      const index = +layer.slice(6);
      const probability = this.probabilities[index]?.[cell] ?? ABSENT;
      return probability !== ABSENT && probability >= least ? index + 1 : 0;
    }
    if (layer === "kinds" && this.outputs[called - 1].kind !== "tissue") return 0;
    return this.probabilities[called - 1][cell] >= least ? called : 0;
  }

  attended(cell) {
    return (this.attention?.shares[cell] ?? ABSENT) !== ABSENT;
  }

  colour(layer, map, kind, cell) {
    if (layer === "attention") return shade(map, this.attention.colour, this.attention.shares[cell] / SCALE);
    if (layer === "tissue") return [...rgb(TISSUE_COLOUR), 255];
    const { colour } = this.outputs[kind - 1];
    if (layer.startsWith("class-")) return shade(map, colour, this.probabilities[kind - 1][cell] / SCALE);
    return [...rgb(colour), 255];
  }

  // The cells of a layer that speak.
  picture(layer, threshold, map) {
    return this.paint((cell) => {
      const kind = this.kind(layer, threshold, cell);
      return kind && kind < 100 ? this.colour(layer, map, kind, cell) : null;
    });
  }

  // The cells that are silent for one reason.
  silent(layer, code) {
    const speaks = (cell) => layer === "attention" && this.attended(cell);
    return this.paint((cell) => (this.silence[cell] === code && !speaks(cell) ? [0, 0, 0, 255] : null));
  }

  // Cells that hang over the edge of the tissue, and those without a call.
  rim() {
    return this.paint((cell) => {
      const { tissue } = this;
      const inside = (next) => next >= 0 && tissue[next];
      const [left, right, above, below] = this.beside(cell);
      const around = [left, right, above, below, ...[left, right].flatMap((next) => next < 0 ? [-1] : this.beside(next).slice(2))];
      return this.silence[cell] || !around.every(inside) ? [0, 0, 0, 255] : null;
    });
  }

  paint(colourOf) {
    const canvas = document.createElement("canvas");
    canvas.width = this.columns;
    canvas.height = this.rows;
    const pen = canvas.getContext("2d");
    const pixels = pen.createImageData(this.columns, this.rows);
    for (let cell = 0; cell < this.rows * this.columns; cell++) {
      const colour = colourOf(cell);
      if (colour) pixels.data.set(colour, 4 * cell);
    }
    pen.putImageData(pixels, 0, 0);
    return canvas;
  }

  // Areas of a mark, joined by their sides, the largest first: the cell nearest to the middle of each, (column, row).
  areas(name) {
    const mask = this.marks[name];
    const seen = new Uint8Array(mask.length);
    const areas = [];
    mask.forEach((set, cell) => {
      if (set && !seen[cell]) areas.push(this.area(mask, seen, cell));
    });
    return areas.sort((a, b) => b.length - a.length).map((cells) => this.middle(cells));
  }

  area(mask, seen, first) {
    const cells = [first];
    seen[first] = 1;
    for (let i = 0; i < cells.length; i++) {
      for (const next of this.beside(cells[i])) {
        if (next >= 0 && mask[next] && !seen[next]) {
          seen[next] = 1;
          cells.push(next);
        }
      }
    }
    return cells;
  }

  // Left, right, above, below; -1 beyond the edge.
  beside(cell) {
    const column = cell % this.columns;
    return [
      column > 0 ? cell - 1 : -1,
      column < this.columns - 1 ? cell + 1 : -1,
      cell - this.columns,
      cell + this.columns < this.rows * this.columns ? cell + this.columns : -1,
    ];
  }

  middle(cells) {
    const places = cells.map((cell) => [cell % this.columns, Math.floor(cell / this.columns)]);
    const mean = [0, 1].map((i) => places.reduce((sum, place) => sum + place[i], 0) / places.length);
    const far = ([column, row]) => (column - mean[0]) ** 2 + (row - mean[1]) ** 2;
    return places.reduce((best, place) => (far(place) < far(best) ? place : best));
  }
}
