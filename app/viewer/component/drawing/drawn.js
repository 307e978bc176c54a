// Which regions there are: those that the server keeps, and what this page has drawn since and the server has not yet
// answered. Told as a list beside the slide; how they are drawn is told elsewhere.

import { areaPx, areaWords } from "./geometry.js";

// `crypto.randomUUID` is there on encrypted pages alone.
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  [bytes[6], bytes[8]] = [(bytes[6] & 15) | 64, (bytes[8] & 63) | 128];
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [8, 12, 16, 20].reduceRight((text, at) => `${text.slice(0, at)}-${text.slice(at)}`, hex);
}

const MOST_BYTES = 700_000; // a message to the server holds a megabyte

const points = (rings) => rings.map((ring) => ring.map(([x, y]) => ({ x, y })));
const pairs = (rings) => rings.map((ring) => ring.map(({ x, y }) => [x, y]));

export class Drawn {
  constructor(view, list) {
    Object.assign(this, { view, list });
    this.waiting = [];
    this.regions = [];
    // What was drawn and not kept is not to be lost by a slip of the hand.
    this.leaving = (event) => this.waiting.length && event.preventDefault();
    window.addEventListener("beforeunload", this.leaving);
  }

  leave() {
    window.removeEventListener("beforeunload", this.leaving);
  }

  // What the server says at every run of the page.
  sync(given) {
    this.given = given;
    const refused = this.waiting.filter(({ id }) => given.answered[id]);
    this.waiting = this.waiting.filter(({ id }) => given.answered[id] === undefined);
    this.settle();
    for (const act of refused) this.view.drawing.refused(act, given.answered[act.id]);
    if (this.needs) this.view.drawing.tell(this.needs);
    else if (this.needed) this.view.drawing.show();
    this.needed = this.needs;
    if (this.waiting.length && !refused.length) return;
    const { onKept } = this;
    this.onKept = null;
    if (!refused.length) onKept?.();
  }

  // What a person has to do before what was drawn is kept.
  get needs() {
    return this.waiting.length ? this.given.nameless : "";
  }

  get may() {
    return Boolean(this.given?.may);
  }

  settle() {
    const now = new Map(this.given.regions.map((region) => [region.id, { ...region, rings: points(region.rings) }]));
    for (const { act, region, seen, ...told } of this.waiting) {
      if (act === "remove") now.delete(region);
      else if (act === "keep") now.set(region, { ...told, id: region, version: seen + 1, rings: points(told.rings), mine: true, waits: true });
    }
    this.regions = [...now.values()];
    this.tell();
    this.view.draw();
  }

  keep({ id, version, shape, rings, name, comment }) {
    this.send({ act: "keep", region: id ?? uuid(), seen: version ?? 0, shape, rings: pairs(rings), name, comment });
  }

  remove({ id, version }) {
    this.send({ act: "remove", region: id, seen: version });
  }

  send(act) {
    this.waiting.push({ id: uuid(), ...act });
    this.view.onDrawn({ view: this.view.data.view, acts: this.waiting });
    this.settle();
    if (this.needs) this.view.drawing.tell(this.needs);
    this.needed = this.needs;
  }

  // A file that QuPath exported, as it is; the server reads it.
  async bring(file) {
    if (!file || this.view.drawing.barred) return;
    if (file.size > MOST_BYTES) return this.view.drawing.tell("This file is large: bring it in with `pulmoscope review import`.");
    this.send({ act: "bring", text: await file.text() });
  }

  look(name) {
    return this.given.classes.find((one) => one.name === name) ?? { name, title: name || "Without a class", colour: "#1f5f8b" };
  }

  area({ rings }) {
    return areaWords((areaPx(rings) * this.view.data.mpp ** 2) / 1e6);
  }

  words(region) {
    return `${this.look(region.name).title}, ${this.area(region)}`;
  }

  tell() {
    const title = document.createElement("b");
    title.textContent = this.regions.length ? "Drawn" : "";
    this.list.replaceChildren(title, ...this.regions.map((region, i) => this.button(region, i)), ...this.entrance());
    this.list.hidden = this.list.childElementCount < 2;
    this.view.regions.fold();
  }

  entrance() {
    if (!this.may) return [];
    const [button, input] = ["button", "input"].map((tag) => document.createElement(tag));
    Object.assign(input, { type: "file", accept: ".geojson,.json", hidden: true });
    input.onchange = () => this.bring(input.files[0]);
    Object.assign(button, { className: "bring", textContent: "GeoJSON …", title: "Bring in regions that QuPath exported" });
    button.onclick = () => input.click();
    return [button, input];
  }

  button(region, index) {
    const button = document.createElement("button");
    button.setAttribute("data-testid", "drawn-region");
    const swatch = document.createElement("i");
    swatch.style.setProperty("--colour", this.look(region.name).colour);
    const words = document.createElement("span");
    words.textContent = `${index + 1} ${this.words(region)}`;
    button.append(swatch, words);
    button.title = [this.words(region), region.comment, region.by, region.mine ? "" : "locked"].filter(Boolean).join("; ");
    button.setAttribute("aria-current", this.view.drawing.chosen?.id === region.id);
    button.onclick = () => this.view.drawing.visit(region);
    return button;
  }
}
