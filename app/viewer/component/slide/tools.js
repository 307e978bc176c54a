// The controls around the slide: layers, sliders, colours, legend, light. They change the view, never the server.

import { MAPS, gradient, pattern } from "./looks.js";
import { POWERS } from "./place.js";
import { prefer } from "./store.js";

const OUTLINES = { auto: "at high power", always: "always", never: "never" };
const SLIDERS = ["opacity", "threshold"];
const CORNERS = ["bottomright", "topright", "bottomleft", "hidden"];

export class Tools {
  constructor(view) {
    this.view = view;
    const { root } = view;
    this.find = (selector) => root.querySelector(selector);
    root.querySelectorAll("button[data-do]").forEach((button) => {
      button.onclick = () => view.press(button.dataset.do);
    });
    // After the mouse the keys belong to the slide again.
    root.querySelector(".reader").addEventListener("click", (event) => {
      const writes = event.composedPath()[0].matches("select, input[type=range]") || root.activeElement?.closest("form");
      if (event.detail && !writes) root.activeElement?.blur();
    });
    this.powers();
    this.maps();
    this.early = new Set();
    for (const name of SLIDERS) {
      const slider = this.find(`[name=${name}]`);
      slider.oninput = () => this.slide(name, +slider.value);
      // Moved before anybody listened: it stands elsewhere than where the page put it.
      if (slider.value !== slider.defaultValue) slider.oninput();
    }
    for (const name of ["brightness", "contrast"]) this.find(`[name=${name}]`).oninput = () => this.light();
    this.plain();
    this.show();
  }

  // The sliders where the preferences are.
  show() {
    for (const name of SLIDERS) this.find(`[name=${name}]`).value = this.view.preferences[name];
    this.told();
  }

  around() {
    const { previous, next } = this.view.data.around;
    this.find('[data-do="previousSlide"]').disabled = !previous;
    this.find('[data-do="nextSlide"]').disabled = !next;
  }

  powers() {
    this.find(".powers").replaceChildren(
      ...POWERS.map((power) => {
        const button = document.createElement("button");
        button.textContent = `${power}x`;
        button.onclick = () => this.view.place.go({ power }, this.view.still);
        return button;
      }),
    );
  }

  maps() {
    const select = this.find("[name=map]");
    select.replaceChildren(...Object.entries(MAPS).map(([value, title]) => new Option(title, value)));
    select.value = this.view.preferences.map;
    select.onchange = () => {
      prefer({ map: select.value });
      this.view.changed();
    };
  }

  slide(name, value) {
    prefer({ [name]: value });
    if (!this.view.titles) this.early.add(name);
    this.told();
    this.view.changed();
  }

  // What the controls say of what is chosen.
  told() {
    const { preferences } = this.view;
    for (const name of SLIDERS) {
      this.find(`[name=${name}] + output`).textContent = `${preferences[name]}%`;
    }
    this.find('[data-do="first"]').setAttribute("aria-pressed", preferences.slideFirst);
    this.find('[data-do="outlines"]').title = `Cells as outlines: ${OUTLINES[preferences.outlines]} (O)`;
  }

  layers(titles, chosen) {
    this.find(".layers").replaceChildren(
      ...Object.entries(titles).map(([value, title]) => {
        const [label, input, text] = ["label", "input", "span"].map((tag) => document.createElement(tag));
        Object.assign(input, { type: "radio", name: "layer", value, checked: value === chosen });
        input.onchange = () => this.view.choose(value);
        text.textContent = title;
        label.append(input, text);
        return label;
      }),
    );
  }

  chosen(layer) {
    const input = this.find(`.layers input[value="${layer}"]`);
    if (input) input.checked = true;
    this.legend();
  }

  legend() {
    const { data, layer } = this.view;
    const called = data.outputs.filter(({ kind, shown }) => kind === "class" || shown);
    const silent = data.silences.map(({ title, look }) => this.entry(title, this.patch(look)));
    const solid = (outputs) => outputs.map(({ title, colour }) => this.entry(title, this.swatch(colour)));
    const entries = {
      call: () => [...solid(called), ...silent],
      kinds: () => [...solid(called.filter(({ kind }) => kind === "tissue")), ...silent],
      attention: () => [this.attention(data.attention), ...silent],
      seen: () => this.view.coverage.legend().map(({ title, colour }) => this.entry(title, this.swatch(colour))),
      tissue: () => [this.entry("Tissue", this.swatch("#3b6fb6"))],
      none: () => [],
    };
    this.find(".legend").replaceChildren(...(entries[layer] ?? (() => [this.ramp(data.outputs[+layer.slice(6)]), ...silent]))());
  }

  entry(title, mark) {
    const entry = document.createElement("span");
    entry.append(mark, title);
    return entry;
  }

  swatch(colour) {
    const swatch = document.createElement("i");
    swatch.style.setProperty("--colour", colour);
    return swatch;
  }

  ramp({ title, colour }, from = "probability 0 to 1") {
    const swatch = this.swatch(colour);
    swatch.className = "ramp";
    swatch.style.background = gradient(this.view.preferences.map, colour);
    return this.entry(`${title}, ${from}`, swatch);
  }

  attention({ colour, top }) {
    return this.ramp({ title: "Attention", colour }, `an even share to ${top} times as much`);
  }

  patch(look) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [32, 28];
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, 32, 28);
    pen.fillStyle = pattern(pen, look, 2);
    pen.fillRect(0, 0, 32, 28);
    return canvas;
  }

  // Of the picture on the screen alone; what the model saw stays as it was.
  light() {
    const [brightness, contrast] = ["brightness", "contrast"].map((name) => this.find(`[name=${name}]`).value);
    this.view.viewer.drawer.canvas.style.filter = `brightness(${brightness}%) contrast(${contrast}%)`;
  }

  plain() {
    for (const name of ["brightness", "contrast"]) this.find(`[name=${name}]`).value = 100;
    if (this.view.viewer) this.light();
  }

  toggleLight() {
    const panel = this.find(".light");
    panel.hidden = !panel.hidden;
    this.find('[data-do="light"]').setAttribute("aria-expanded", !panel.hidden);
  }

  nextOutlines() {
    const names = Object.keys(OUTLINES);
    prefer({ outlines: names[(names.indexOf(this.view.preferences.outlines) + 1) % names.length] });
    this.told();
    this.view.say(`Cells as outlines: ${OUTLINES[this.view.preferences.outlines]}`);
  }

  // To the next corner, and then away.
  nextOverview() {
    const { overview } = this.view.preferences;
    prefer({ overview: CORNERS[(CORNERS.indexOf(overview) + 1) % CORNERS.length] });
    this.overview();
  }

  overview() {
    const { viewer, preferences, data } = this.view;
    const control = viewer.controls.find(({ element }) => element === viewer.navigator.element);
    const corner = viewer.controls[preferences.overview];
    if (control && corner) corner.append(control.wrapper);
    const shown = data.tiles && corner;
    viewer.navigator.element.style.visibility = shown ? "visible" : "hidden";
    // What else stands in that corner makes room.
    this.find(".frame").dataset.overview = shown ? preferences.overview : "hidden";
  }
}
