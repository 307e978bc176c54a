// Keys that work wherever the focus is, never while a person types; each can be given another key.

import { prefer, preferences } from "./store.js";

const TITLES = {
  nextSlide: ["j", "Next slide to review"],
  previousSlide: ["k", "Previous slide to review"],
  nextRegion: ["n", "Next region"],
  previousRegion: ["p", "Previous region"],
  hide: [" ", "Hide the layer while held"],
  in: ["+", "Zoom in"],
  out: ["-", "Zoom out"],
  left: ["ArrowLeft", "Move left"],
  right: ["ArrowRight", "Move right"],
  up: ["ArrowUp", "Move up"],
  down: ["ArrowDown", "Move down"],
  rotate: ["r", "Turn by 90 degrees"],
  full: ["f", "Full screen"],
  layer1: ["1", "First layer"],
  layer2: ["2", "Second layer"],
  layer3: ["3", "Third layer"],
  layer4: ["4", "Fourth layer"],
  layer5: ["5", "Fifth layer"],
  layer6: ["6", "Sixth layer"],
  none: ["0", "Slide only"],
  outlines: ["o", "Cells or outlines"],
  ruler: ["m", "Ruler"],
  regions: ["g", "Show or hide where to look"],
  panel: ["i", "Fold the panel"],
  link: ["l", "Copy a link to this place"],
  agree: ["a", "Agree with the call"],
  change: ["c", "Change the call"],
  cannotTell: ["t", "Cannot tell"],
  sign: ["s", "Sign"],
  keys: ["?", "This list"],
};
const SPOKEN = { " ": "Space", ArrowLeft: "Left", ArrowRight: "Right", ArrowUp: "Up", ArrowDown: "Down" };
// What the server's own buttons are found by.
const BUTTONS = {
  agree: ["decide-agree", "decision-agree"],
  change: ["decide-change", "decision-change"],
  cannotTell: ["decide-cannot-tell", "decision-cannot-tell"],
  sign: ["sign"],
};
const TEXT = "textarea, select, [contenteditable=true], [role=textbox], [role=combobox], "
  + "input:not([type=range], [type=radio], [type=checkbox], [type=button])";
// What a control needs for itself while it has the focus.
const OWN = { Range: "input[type=range], [role=slider]", Press: "button, a, summary, [role=button], [role=tab]" };
const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];

export class Keys {
  constructor(view, list) {
    Object.assign(this, { view, list });
    this.down = (event) => this.press(event);
    this.up = (event) => this.action(event) === "hide" && this.view.hide(false);
    // Before Streamlit, which has keys of its own.
    window.addEventListener("keydown", this.down, true);
    window.addEventListener("keyup", this.up, true);
  }

  leave() {
    window.removeEventListener("keydown", this.down, true);
    window.removeEventListener("keyup", this.up, true);
  }

  get map() {
    return Object.fromEntries(Object.entries(TITLES).map(([name, [key]]) => [name, preferences().keys[name] ?? key]));
  }

  action({ key }) {
    const wanted = key.length === 1 ? key.toLowerCase() : key;
    // Plus needs no Shift on the keys of many countries.
    const same = (held) => held === wanted || (held === "+" && wanted === "=");
    return Object.entries(this.map).find(([, held]) => same(held))?.[0];
  }

  press(event) {
    if (!this.view.stage.isConnected) return;
    if (this.asking) return this.learn(event);
    if (event.ctrlKey || event.metaKey || event.altKey || this.taken(event)) return;
    if (event.key === "Escape") return this.view.escape();
    const action = this.action(event);
    if (!action) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (action === "hide") this.view.hide(true);
    else if (BUTTONS[action]) this.server(BUTTONS[action]);
    else this.view.press(action);
  }

  // Whether the key belongs to what has the focus.
  taken(event) {
    const target = event.composedPath()[0];
    if (!(target instanceof Element)) return false;
    if (target.matches(TEXT) || target.closest('[data-testid="stDialog"]')) return true;
    if (MOVES.includes(event.key)) return target.matches(`${OWN.Range}, input[type=radio], [role=radio], [role=tab]`);
    return event.key === " " && target.matches(`${OWN.Press}, input, [role=radio]`);
  }

  server(keys) {
    const button = document.querySelector(keys.map((key) => `.st-key-${key} button`).join());
    if (!button || button.disabled) this.view.say("There is nothing for this key to do here.");
    else button.click();
  }

  toggle(show = this.list.hidden) {
    this.list.hidden = !show;
    this.asking = null;
    if (show) this.draw();
  }

  draw() {
    const title = document.createElement("h2");
    title.textContent = "Keys";
    const told = document.createElement("p");
    told.textContent = "Press a key's button and then the key that you want instead. Escape closes.";
    const pairs = document.createElement("dl");
    const { map } = this;
    for (const [name, [, words]] of Object.entries(TITLES)) {
      const [term, meaning] = ["dt", "dd"].map((tag) => document.createElement(tag));
      const button = document.createElement("button");
      button.textContent = SPOKEN[map[name]] ?? map[name].toUpperCase();
      button.setAttribute("aria-label", `${words}: ${button.textContent}; press to change`);
      button.onclick = () => this.ask(name, button);
      term.append(button);
      meaning.textContent = words;
      pairs.append(term, meaning);
    }
    const reset = document.createElement("button");
    reset.textContent = "As they were";
    reset.onclick = () => this.remap({});
    const close = document.createElement("button");
    close.textContent = "Close";
    close.onclick = () => this.toggle(false);
    this.list.replaceChildren(title, told, pairs, reset, " ", close);
  }

  ask(name, button) {
    this.asking = name;
    button.textContent = "press ...";
  }

  learn(event) {
    if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const { asking, map } = this;
    this.asking = null;
    if (event.key === "Escape") return this.draw();
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    // Who had the key gets the one that is given up.
    const other = Object.keys(map).find((name) => map[name] === key);
    this.remap({ ...preferences().keys, ...(other ? { [other]: map[asking] } : {}), [asking]: key });
  }

  remap(keys) {
    prefer({ keys });
    this.draw();
  }
}
