// A line that a person draws, and its length on the tissue.

export class Ruler {
  constructor(view) {
    this.view = view;
    this.on = false;
    this.line = null;
  }

  toggle(on = !this.on) {
    this.on = on;
    if (!on) this.line = null;
    this.view.frame.classList.toggle("measuring", on);
    this.view.root.querySelector('[data-do="ruler"]').setAttribute("aria-pressed", on);
    this.view.draw();
  }

  // OpenSeadragon would move the slide under the line.
  watch(viewer) {
    const at = (event) => this.view.item().viewerElementToImageCoordinates(event.position);
    viewer.addHandler("canvas-press", (event) => {
      if (this.on) this.line = { from: at(event), to: at(event) };
    });
    viewer.addHandler("canvas-drag", (event) => {
      if (!this.on || !this.line) return;
      event.preventDefaultAction = true;
      this.line.to = at(event);
      this.view.draw();
    });
    // A finger that is lifted in haste would send the slide on.
    viewer.addHandler("canvas-drag-end", (event) => (event.preventDefaultAction ||= this.on));
  }

  get um() {
    const { from, to } = this.line;
    return Math.hypot(to.x - from.x, to.y - from.y) * this.view.data.mpp;
  }

  words() {
    return this.um >= 1000 ? `${(this.um / 1000).toFixed(2)} mm` : `${this.um.toFixed(this.um < 100 ? 1 : 0)} um`;
  }

  draw(pen) {
    if (!this.line || !this.um) return;
    const [from, to] = [this.line.from, this.line.to].map(({ x, y }) => this.view.onScreen(x, y));
    for (const [style, width] of [["#ffffff", 5], ["#14202b", 2]]) {
      pen.strokeStyle = style;
      pen.lineWidth = width;
      pen.beginPath();
      pen.moveTo(from.x, from.y);
      pen.lineTo(to.x, to.y);
      pen.stroke();
    }
    pen.font = "600 13px sans-serif";
    pen.lineWidth = 4;
    pen.strokeStyle = "#ffffff";
    pen.strokeText(this.words(), to.x + 8, to.y - 8);
    pen.fillStyle = "#14202b";
    pen.fillText(this.words(), to.x + 8, to.y - 8);
    this.view.frame.dataset.um = this.um.toFixed(1);
  }
}
