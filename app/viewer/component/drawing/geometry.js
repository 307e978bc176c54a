// Rings of level-0 px that a person draws: what of them lies on the slide, whether their sides cross, how near a point is.

// A slide is convex, so that each of its four sides cuts a ring in turn (Sutherland and Hodgman, 1974).
export function clipped(ring, width, height) {
  const sides = [
    [({ x }) => x, 1, 0], [({ x }) => -x, 1, -width], [({ y }) => y, 0, 0], [({ y }) => -y, 0, -height],
  ];
  return sides.reduce((points, [along, isX, least]) => cut(points, along, isX, least), ring);
}

function cut(points, along, isX, least) {
  const kept = [];
  points.forEach((point, i) => {
    const before = points[(i + points.length - 1) % points.length];
    const [here, there] = [along(point) - least, along(before) - least];
    if (here >= 0 !== there >= 0) {
      const share = there / (there - here);
      const border = Math.abs(least);
      const [x, y] = [before.x + share * (point.x - before.x), before.y + share * (point.y - before.y)];
      kept.push(isX ? { x: border, y } : { x, y: border });
    }
    if (here >= 0) kept.push(point);
  });
  return kept;
}

// Whether two sides of a ring that are no neighbours meet. Of a polygon with more points than a hand sets it is not asked.
const MOST_POINTS = 1500;
export function crosses(ring) {
  const count = ring.length;
  if (count > MOST_POINTS) return false;
  for (let i = 0; i < count; i++) {
    for (let j = i + 2; j < count; j++) {
      if (i === 0 && j === count - 1) continue;
      if (meet(ring[i], ring[i + 1], ring[j], ring[(j + 1) % count])) return true;
    }
  }
  return false;
}

function meet(a, b, c, d) {
  const side = (from, to, point) => Math.sign((to.x - from.x) * (point.y - from.y) - (to.y - from.y) * (point.x - from.x));
  return side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0;
}

// Of the outer ring without its holes, in px.
export function areaPx(rings) {
  const areas = rings.map((ring) =>
    Math.abs(ring.reduce((sum, { x, y }, i) => {
      const next = ring[(i + 1) % ring.length];
      return sum + x * next.y - next.x * y;
    }, 0)) / 2,
  );
  return areas.reduce((left, hole) => left - hole);
}

// As the server words an area.
export function areaWords(mm2) {
  if (mm2 > 0 && mm2 < 0.01) return "<0.01 mm²";
  return `${mm2.toFixed(mm2 < 10 ? 2 : mm2 < 100 ? 1 : 0)} mm²`;
}

// How far a point is from the line of a ring, both in px of the screen.
export function awayFrom(ring, point) {
  let least = Infinity;
  ring.forEach((from, i) => {
    const to = ring[(i + 1) % ring.length];
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const along = ((point.x - from.x) * dx + (point.y - from.y) * dy) / (dx * dx + dy * dy || 1);
    const at = Math.min(1, Math.max(0, along));
    least = Math.min(least, Math.hypot(from.x + at * dx - point.x, from.y + at * dy - point.y));
  });
  return least;
}

// The upright rectangle of two opposite corners.
export function upright(one, other) {
  const round = (value) => Math.round(10 * value) / 10;
  const [left, right] = [Math.min(one.x, other.x), Math.max(one.x, other.x)].map(round);
  const [top, bottom] = [Math.min(one.y, other.y), Math.max(one.y, other.y)].map(round);
  return [{ x: left, y: top }, { x: right, y: top }, { x: right, y: bottom }, { x: left, y: bottom }];
}
