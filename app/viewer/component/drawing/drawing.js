// The hand that draws: a rectangle by its corners, a polygon by its points, or what is in sight; handles that change it.
// Everything is level-0 px, so that it stays where it is however the slide is turned.

import { awayFrom, clipped, crosses, upright } from "./geometry.js";
import { Outlines } from "./outlines.js";
import { RegionCard } from "./region_card.js";

const NEAR_PX = { mouse: 8, pen: 10, touch: 22 };
const LEAST_PX = 5; // a shorter drag was a click
const MARGIN = 0.06; // what is in sight is drawn with its lines in sight
const MOST_HANDLES = 300;
const [STILL_TRIES, STILL_PAUSE_MS] = [400, 50];
let lastClass = "";
const HINTS = {
  rectangle: "Drag a rectangle. Escape ends.",
  polygon: "Click from point to point; the first point or Enter closes, Backspace takes one back, Escape ends.",
};

export class Drawing {
  constructor(view, drawn, form, hint) {
    Object.assign(this, { view, drawn, hint });
    this.card = new RegionCard(this, form);
    this.outlines = new Outlines(this);
    this.forget();
    this.signing = (event) => this.beforeSigning(event);
    document.addEventListener("click", this.signing, true);
  }

  leaveView() {
    document.removeEventListener("click", this.signing, true);
  }

  // What is open on the card belongs to what is signed: it is kept first, and then the button is pressed again.
  beforeSigning(event) {
    if (!event.target.closest?.(".st-key-sign button")) return;
    this.finish();
    if (!this.drawn.waiting.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.drawn.onKept = () => this.whenStill(() => document.querySelector(".st-key-sign button")?.click());
  }

  // A press while the whole page is being drawn would stop that midway.
  async whenStill(act) {
    const running = () => document.querySelector("[data-test-script-state=running]");
    for (let tries = 0; tries < STILL_TRIES && (tries < 2 || running()); tries++) {
      await new Promise((resolve) => setTimeout(resolve, STILL_PAUSE_MS));
    }
    if (this.view.stage.isConnected) act();
  }

  // Another slide.
  forget() {
    Object.assign(this, { tool: null, path: [], corners: null, chosen: null, held: null, after: null });
    this.card.close();
    this.show();
  }

  // Before the page goes on to another slide: what is whole is kept.
  finish() {
    if (this.chosen?.mine) this.keep();
    this.forget();
  }

  show() {
    const { frame, root } = this.view;
    frame.classList.toggle("drawing", Boolean(this.tool));
    for (const name of ["rectangle", "polygon"]) {
      root.querySelector(`[data-do="${name}"]`).setAttribute("aria-pressed", this.tool === name);
    }
    this.hint.hidden = !this.tool;
    this.hint.textContent = HINTS[this.tool] ?? "";
  }

  // Why nobody draws here, told where they tried to.
  get barred() {
    if (this.drawn.may) return false;
    this.tell(this.drawn.given?.why || "Nothing can be drawn here.");
    return true;
  }

  take(tool) {
    if (this.barred) return;
    const next = this.tool === tool ? null : tool;
    if (this.chosen?.mine) this.keep();
    this.view.ruler.toggle(false);
    this.forget();
    this.tool = next;
    this.show();
    if (next) this.view.say(HINTS[next]);
    this.view.draw();
  }

  // True where there was something to end.
  escape() {
    if (this.path.length || this.corners) Object.assign(this, { path: [], corners: null });
    else if (this.chosen) this.drop();
    else if (this.tool) this.forget();
    else if (!this.hint.hidden) this.show();
    else return false;
    this.view.draw();
    return true;
  }

  // Keys that mean something only while a polygon grows, or a region is chosen.
  key({ key }) {
    if (key === "Enter" && this.path.length) this.close();
    else if (key === "Enter" && this.card.open) this.keep();
    else if (key === "Backspace" && this.path.length) this.path.pop();
    else if (key === "Delete" && this.chosen?.mine && this.chosen.id) this.remove();
    else return false;
    this.view.draw();
    return true;
  }

  watch(viewer) {
    viewer.addHandler("canvas-press", (event) => this.press(event));
    viewer.addHandler("canvas-drag", (event) => {
      if (this.drag(event)) event.preventDefaultAction = true;
    });
    // A finger that is lifted in haste would send the slide on.
    viewer.addHandler("canvas-drag-end", (event) => (event.preventDefaultAction ||= this.worked));
    viewer.addHandler("canvas-release", (event) => this.release(event));
    // A second finger moves the slide.
    viewer.addHandler("canvas-pinch", () => {
      this.settle();
      Object.assign(this, { corners: null, pressed: null });
    });
    viewer.addHandler("canvas-double-click", (event) => {
      if (!this.path.length) return;
      event.preventDefaultAction = true;
      this.close();
    });
  }

  image(position) {
    return this.view.item().viewerElementToImageCoordinates(position);
  }

  screen({ x, y }) {
    return this.view.onScreen(x, y);
  }

  near(event) {
    return NEAR_PX[event.originalEvent?.pointerType] ?? NEAR_PX.mouse;
  }

  press(event) {
    this.worked = false;
    this.pressed = event.position;
    if (this.tool === "rectangle") this.corners = { from: event.position, to: event.position };
    else if (this.chosen?.mine) this.held = this.handleAt(event.position, this.near(event));
    this.opposite = null;
    if (this.held) this.undo = JSON.stringify(this.chosen.rings);
  }

  // Whether the hand was at work; the slide stays where it is then.
  drag({ position }) {
    if (this.corners) this.corners.to = position;
    else if (this.held) this.pull(this.image(position));
    else return false;
    this.worked = true;
    this.view.draw();
    return true;
  }

  release(event) {
    this.settle();
    const { pressed, corners } = this;
    Object.assign(this, { pressed: null, corners: null });
    // A slow click is one too.
    const still = pressed && pressed.distanceTo(event.position) < LEAST_PX;
    if (this.tool === "polygon" && still) {
      this.worked = true;
      this.add(event);
    }
    if (!corners) return;
    const { from, to } = corners;
    if (Math.abs(from.x - to.x) < LEAST_PX || Math.abs(from.y - to.y) < LEAST_PX) return this.view.draw();
    this.begin(this.boxed(from, to));
  }

  // A handle is let go; where the lines cross now, it goes back.
  settle() {
    if (this.held && crosses(this.chosen.rings[0])) {
      this.chosen.rings = JSON.parse(this.undo);
      this.tell("Its lines would cross there.");
      this.view.draw();
    }
    this.held = null;
  }

  // A rectangle of the screen, as a region. On a slide that is turned otherwise than by right angles it is a polygon.
  boxed(from, to) {
    const { Point } = this.view.OpenSeadragon;
    if (this.view.rotation % 90 === 0) {
      return { shape: "rectangle", rings: [upright(this.image(from), this.image(to))] };
    }
    const corners = [[from.x, from.y], [to.x, from.y], [to.x, to.y], [from.x, to.y]];
    return { shape: "polygon", rings: [corners.map(([x, y]) => this.image(new Point(x, y)))] };
  }

  // What is in sight, as a region; of one that is chosen it becomes the new outline.
  sight() {
    if (this.barred) return;
    const { Point } = this.view.OpenSeadragon;
    const { clientWidth, clientHeight } = this.view.stage;
    const [x, y] = [MARGIN * clientWidth, MARGIN * clientHeight];
    const box = this.boxed(new Point(x, y), new Point(clientWidth - x, clientHeight - y));
    this.begin(this.chosen?.mine ? { ...this.chosen, ...this.card.told, ...box } : box);
  }

  // Whether a click was meant for what is drawn, and not for the tissue.
  click(event) {
    if (this.tool || this.worked) return true;
    const found = this.regionAt(event.position, this.near(event));
    if (found) this.choose(found);
    else if (this.chosen) this.finish();
    else return false;
    return true;
  }

  add(event) {
    const [point, reach] = [event.position, this.near(event)];
    const close = (other) => Math.hypot(this.screen(other).x - point.x, this.screen(other).y - point.y) < reach;
    if (this.path.length > 2 && close(this.path[0])) return this.close();
    if (!this.path.length || !close(this.path.at(-1))) this.path.push(this.image(point));
    this.view.draw();
  }

  close() {
    const ring = this.path;
    if (ring.length < 3) return this.view.say("A polygon has three points at least.");
    if (crosses(ring)) return this.tell("Its lines cross: take a point back with Backspace.");
    this.path = [];
    this.begin({ shape: "polygon", rings: [ring] });
  }

  tell(words) {
    this.hint.hidden = false;
    this.hint.textContent = words;
    this.view.say(words);
  }

  // A region that is whole: cut to the slide, and asked of.
  begin(region) {
    const { width, height } = this.view.data;
    const rings = region.rings.map((ring) => clipped(ring, width, height)).filter((ring) => ring.length > 2);
    const { tool } = this;
    if (!rings.length) return this.tell("There is nothing of the slide in it.");
    this.forget();
    this.choose({ name: lastClass, comment: "", mine: true, ...region, rings });
    this.after = tool;
  }

  choose(region, trouble) {
    if (this.chosen?.mine && this.chosen.id !== region.id) this.keep();
    this.view.card(false);
    this.chosen = { ...region, rings: region.rings.map((ring) => ring.map(({ x, y }) => ({ x, y }))) };
    this.before = JSON.stringify([this.chosen.rings, region.name, region.comment]);
    this.card.show(this.chosen, trouble);
    this.view.say(`${this.drawn.words(this.chosen)}. ${region.mine ? "Enter keeps it, Escape leaves it as it was." : ""}`);
    this.drawn.tell();
    this.view.draw();
  }

  // The next of those that are drawn, by its key; or one of the list.
  next() {
    const { regions } = this.drawn;
    if (!regions.length) return this.view.say("No region is drawn on this slide.");
    const at = regions.findIndex(({ id }) => id === this.chosen?.id);
    this.visit(regions[(at + 1) % regions.length]);
  }

  visit(region) {
    const [xs, ys] = ["x", "y"].map((axis) => region.rings[0].map((point) => point[axis]));
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const { viewport } = this.view.viewer;
    this.view.moved = true;
    const room = 0.3 * Math.max(right - left, bottom - top);
    const box = this.view.item().imageToViewportRectangle(
      left - room, top - room, right - left + 2 * room, bottom - top + 2 * room,
    );
    viewport.fitBoundsWithConstraints(box, this.view.still);
    this.choose(region);
  }

  keep() {
    const { chosen } = this;
    if (!chosen?.mine) return this.drop();
    const told = this.card.open ? this.card.told : {};
    const region = { ...chosen, ...told };
    lastClass = region.name;
    const changed = !region.id || this.before !== JSON.stringify([region.rings, region.name, region.comment]);
    this.leave();
    if (!changed) return;
    this.drawn.keep(region);
    this.view.say(`Kept: ${this.drawn.words(region)}`);
  }

  remove() {
    const { chosen } = this;
    this.leave();
    this.drawn.remove(chosen);
    this.view.say("The region is taken away.");
  }

  drop() {
    this.leave();
  }

  // The card goes; the tool that was in hand comes back for the next region.
  leave() {
    this.chosen = null;
    this.card.close();
    this.tool = this.after ?? null;
    this.after = null;
    this.show();
    if (this.drawn.given) this.drawn.tell();
    this.view.draw();
  }

  // The server did not keep it: what was drawn is not lost, and the reason is told.
  refused({ act, region, seen, ...told }, why) {
    if (act !== "keep" || this.chosen) return this.tell(why);
    const rings = told.rings.map((ring) => ring.map(([x, y]) => ({ x, y })));
    if (!this.drawn.may) return this.tell(`${why}: the region was not kept`);
    this.choose({ ...told, id: seen ? region : undefined, version: seen, rings, mine: true }, why);
    this.before = "";
  }

  get handles() {
    const points = this.chosen?.mine ? this.chosen.rings.flat() : [];
    return points.length <= MOST_HANDLES ? points : [];
  }

  handleAt(position, reach) {
    const away = (point) => Math.hypot(this.screen(point).x - position.x, this.screen(point).y - position.y);
    const near = this.handles.filter((point) => away(point) <= reach).sort((a, b) => away(a) - away(b));
    return near[0] ?? null;
  }

  pull({ x, y }) {
    const { width, height } = this.view.data;
    const to = { x: Math.min(Math.max(x, 0), width), y: Math.min(Math.max(y, 0), height) };
    const { held, chosen } = this;
    if (chosen.shape === "rectangle") {
      this.opposite ??= chosen.rings[0].find((point) => point.x !== held.x && point.y !== held.y);
      chosen.rings = [upright(this.opposite, to)];
    } else Object.assign(held, to);
    this.card.measured(chosen);
  }

  regionAt(position, reach) {
    const away = (region) =>
      Math.min(...region.rings.map((ring) => awayFrom(ring.map((point) => this.screen(point)), position)));
    const near = this.drawn.regions.map((region) => [away(region), region]).filter(([px]) => px <= reach);
    return near.sort((a, b) => a[0] - b[0])[0]?.[1];
  }
}
