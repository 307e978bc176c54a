// How cells look: the colours of a class by its probability, and a pattern of its own for each kind of silence.

const FAINTEST = 0.12; // a probability of 0 keeps a pale tint: analysed tissue stays told apart from glass
const PITCH_PX = 8;
export const MAPS = { class: "The class's own", viridis: "Viridis", cividis: "Cividis" };
// Every eighth of matplotlib's tables, which people with colour-blindness read alike.
const TABLES = {
  viridis: ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"],
  cividis: ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#fee838"],
};

export function rgb(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

// [red, green, blue, alpha] of a probability, 0 to 1.
export function shade(map, colour, probability) {
  if (!TABLES[map]) return [...rgb(colour), Math.round(255 * (FAINTEST + (1 - FAINTEST) * probability))];
  const table = TABLES[map];
  const at = Math.min(probability * (table.length - 1), table.length - 1 - 1e-9);
  const [low, high] = [rgb(table[Math.floor(at)]), rgb(table[Math.floor(at) + 1])];
  return [...low.map((value, i) => Math.round(value + (high[i] - value) * (at % 1))), 255];
}

export function gradient(map, colour) {
  const stops = TABLES[map] ?? [`color-mix(in srgb, ${colour} 12%, white)`, colour];
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}

// What is drawn on one square of a pattern, `side` px wide.
const STROKES = {
  hatched: (pen, side) => {
    for (const shift of [-side, 0, side]) line(pen, shift - 1, side + 1, shift + side + 1, -1);
  },
  dots: (pen, side) => {
    pen.arc(side / 2, side / 2, side / 5, 0, 7);
    pen.fill();
  },
  crossed: (pen, side) => {
    for (const shift of [-side, 0, side]) {
      line(pen, shift - 1, side + 1, shift + side + 1, -1);
      line(pen, shift - 1, -1, shift + side + 1, side + 1);
    }
  },
  upright: (pen, side) => line(pen, side / 2, -1, side / 2, side + 1),
  level: (pen, side) => line(pen, -1, side / 2, side + 1, side / 2),
};

export function pattern(context, look, ratio) {
  const side = PITCH_PX * ratio;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const pen = canvas.getContext("2d");
  pen.fillStyle = "rgba(222, 225, 230, 0.62)";
  pen.fillRect(0, 0, side, side);
  pen.strokeStyle = pen.fillStyle = "rgba(74, 81, 92, 0.95)";
  pen.lineWidth = 1.4 * ratio;
  pen.beginPath();
  STROKES[look](pen, side);
  pen.stroke();
  return context.createPattern(canvas, "repeat");
}

function line(pen, fromX, fromY, toX, toY) {
  pen.moveTo(fromX, fromY);
  pen.lineTo(toX, toY);
}
