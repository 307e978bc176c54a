// What is drawn, on the canvas over the slide: the regions with their numbers, the one that is chosen with its handles, and
// what grows under the hand.

const HAND = "#1f5f8b";

export class Outlines {
  constructor(drawing) {
    this.drawing = drawing;
  }

  // Everything that is drawn, the pen in px of the screen.
  paint(pen) {
    const onScreen = this.placed();
    this.drawing.drawn.regions.forEach((region, i) => {
      if (region.id !== this.drawing.chosen?.id) this.outline(pen, region, onScreen, i + 1);
    });
    if (this.drawing.chosen) this.outline(pen, this.drawing.chosen, onScreen, "");
    for (const point of this.drawing.handles) this.handle(pen, onScreen(point));
    if (this.drawing.corners) this.line(pen, this.cornersOnScreen(), true, HAND);
    if (this.drawing.path.length) {
      this.line(pen, this.drawing.path.map(onScreen), false, HAND);
      for (const point of this.drawing.path) this.handle(pen, onScreen(point));
    }
  }

  cornersOnScreen() {
    const { from, to } = this.drawing.corners;
    return [from, { x: to.x, y: from.y }, to, { x: from.x, y: to.y }];
  }

  // Level-0 px to px of the screen; a thousand points a frame are placed by it.
  placed() {
    const { width, height } = this.drawing.view.data;
    const [origin, right, down] = [[0, 0], [width, 0], [0, height]].map(([x, y]) => this.drawing.view.onScreen(x, y));
    const [ax, ay] = [(right.x - origin.x) / width, (right.y - origin.y) / width];
    const [bx, by] = [(down.x - origin.x) / height, (down.y - origin.y) / height];
    return ({ x, y }) => ({ x: origin.x + x * ax + y * bx, y: origin.y + x * ay + y * by });
  }

  outline(pen, region, onScreen, number) {
    const { colour } = this.drawing.drawn.look(region.name);
    pen.setLineDash(region.waits || (region.mine && !region.id) ? [7, 5] : []);
    for (const ring of region.rings) this.line(pen, ring.map(onScreen), true, colour);
    pen.setLineDash([]);
    if (!number) return;
    const at = region.rings[0].map(onScreen).reduce((best, point) => (point.y < best.y ? point : best));
    pen.font = "700 13px sans-serif";
    pen.lineWidth = 4;
    pen.strokeStyle = "#ffffff";
    pen.strokeText(number, at.x + 6, at.y - 6);
    pen.fillStyle = "#14202b";
    pen.fillText(number, at.x + 6, at.y - 6);
  }

  line(pen, points, closed, colour) {
    pen.beginPath();
    for (const { x, y } of points) pen.lineTo(x, y);
    if (closed) pen.closePath();
    for (const [style, width] of [["#ffffff", 6], ["#14202b", 4], [colour, 2.5]]) {
      pen.strokeStyle = style;
      pen.lineWidth = width;
      pen.stroke();
    }
  }

  handle(pen, { x, y }) {
    pen.beginPath();
    pen.arc(x, y, 5, 0, 7);
    pen.fillStyle = "#ffffff";
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = "#14202b";
    pen.stroke();
  }
}
