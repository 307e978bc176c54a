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
  rectangle: ["b", "Draw a rectangle"],
  polygon: ["d", "Draw a polygon"],
  sight: ["v", "Mark what is in sight as a region"],
  nextDrawn: ["e", "Next drawn region, to change it"],
  regions: ["g", "Show or hide where to look"],
  panel: ["i", "Fold the panel"],
  link: ["l", "Copy a link to this place"],
  agree: ["a", "Agree with the call"],
  change: ["c", "Change the call, then 1 to 9 for which"],
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
const [PATIENCE_MS, PAUSE_MS] = [5000, 40];
const LEAVING = ["nextSlide", "previousSlide"];
const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"];

export class Keys {
  // `names`: the keys that mean something on this page; all of them where it shows a slide.
  constructor(view, list, names = Object.keys(TITLES)) {
    Object.assign(this, { view, list, names });
    this.down = (event) => this.press(event);
    this.up = (event) => this.action(event) === "hide" && this.view.hide(false);
    // Before Streamlit, which has keys of its own.
    window.addEventListener("keydown", this.down, true);
    window.addEventListener("keyup", this.up, true);
    this.title();
  }

  // From now on keys are heard here.
  listen() {
    this.listening = true;
    window.pulmoscopeEarly.listening = () => this.view.stage.isConnected;
  }

  // Acts on what was pressed on this page before; never on what decides, since nobody had seen the slide yet.
  catchUp(late = this.names.filter((name) => !BUTTONS[name] && !LEAVING.includes(name))) {
    for (const key of window.pulmoscopeEarly.take()) {
      const action = this.action({ key });
      if (late.includes(action)) this.view.press(action);
    }
  }

  // What the buttons say of their keys.
  title() {
    const { map } = this;
    for (const button of this.list.getRootNode().querySelectorAll("[data-do][title]")) {
      const key = map[button.dataset.do];
      const words = button.title.replace(/ \(\S+\)$/, "");
      if (key) button.title = `${words} (${this.spoken(key)})`;
    }
  }

  spoken(key) {
    return SPOKEN[key] ?? key.toUpperCase();
  }

  leave() {
    window.removeEventListener("keydown", this.down, true);
    window.removeEventListener("keyup", this.up, true);
  }

  get map() {
    const held = preferences().keys;
    return Object.fromEntries(Object.entries(TITLES).map(([name, [key]]) => [name, held[name] ?? key]));
  }

  action({ key }) {
    const wanted = key.length === 1 ? key.toLowerCase() : key;
    // Plus needs no Shift on the keys of many countries.
    const same = (held) => held === wanted || (held === "+" && wanted === "=");
    const { map } = this;
    return this.names.find((name) => same(map[name]));
  }

  press(event) {
    if (!this.view.stage.isConnected || !this.listening) return;
    if (this.asking) return this.learn(event);
    if (event.ctrlKey || event.metaKey || event.altKey || this.taken(event)) return;
    if (this.calling && /^[1-9]$/.test(event.key)) {
      this.heard(event);
      return this.inTurn(() => this.call(+event.key));
    }
    this.calling = false;
    if (event.key === "Escape") return this.view.escape();
    if (this.view.drawing?.key(event)) return this.heard(event);
    const action = this.action(event);
    if (!action) return;
    this.heard(event);
    this.calling = action === "change";
    if (action === "hide") this.view.hide(true);
    else if (BUTTONS[action]) this.inTurn(() => this.server(action));
    else if (LEAVING.includes(action)) this.leaveFor(action);
    else this.view.press(action);
  }

  // One button after the other, in the order of the keys.
  inTurn(act) {
    if (this.going) return;
    const waiting = Promise.resolve(this.waiting).then(act);
    this.waiting = waiting;
    // What has ended holds nobody up.
    waiting.finally(() => this.waiting === waiting && (this.waiting = null));
  }

  // To another slide only when what was pressed before has found its button: a signature is not to be lost to haste.
  // What is pressed after that was meant for the other slide, which is not there yet: nobody gets it.
  async leaveFor(action) {
    if (this.going) return;
    this.going = true;
    if ((await this.waiting) !== false) this.view.press(action);
    this.going = false;
  }

  heard(event) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  // Whether the key belongs to what has the focus.
  taken(event) {
    const target = event.composedPath()[0];
    if (!(target instanceof Element)) return false;
    if (target.matches(TEXT) || target.closest('[data-testid="stDialog"]')) return true;
    if (MOVES.includes(event.key)) return target.matches(`${OWN.Range}, input[type=radio], [role=radio], [role=tab]`);
    return [" ", "Enter"].includes(event.key) && target.matches(`${OWN.Press}, input, [role=radio]`);
  }

  // A button of the server's: it counts when it is of the slide that is shown. What was pressed just before may have to
  // come back from there first.
  async server(name) {
    if (this.view.leaving) return this.nothing("Another slide is being opened.");
    const { view } = this.view.data;
    const recent = performance.now() - (this.pressed ?? -Infinity) < PATIENCE_MS || !this.panelIsOf(view);
    const until = performance.now() + (recent ? PATIENCE_MS : 0);
    for (;;) {
      if (this.view.data.view !== view || this.view.leaving || !this.view.stage.isConnected) return false;
      const button = this.panelIsOf(view) ? document.querySelector(BUTTONS[name].map((key) => `.st-key-${key} button`).join()) : null;
      if (button && !button.disabled) return this.push(button);
      if (performance.now() > until) return this.nothing("There is nothing for this key to do here.");
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  nothing(words) {
    this.view.say(words);
    return false;
  }

  push(button) {
    this.pressed = performance.now();
    button.click();
    // Who has no name yet is asked for it; what was pressed waits.
    document.querySelector(".st-key-name input")?.focus();
    return true;
  }

  panelIsOf(slide) {
    const mark = document.querySelector("[data-ps-of]");
    return mark?.dataset.psOf === slide && !mark.closest("[data-stale=true]");
  }

  // After the key that changes the call a number chooses which; its button may be on its way from the server still.
  async call(number) {
    this.calling = false;
    const { view } = this.view.data;
    for (const until = performance.now() + PATIENCE_MS; performance.now() < until && !this.view.leaving; ) {
      const buttons = document.querySelectorAll(".st-key-calls button");
      if (buttons.length && this.panelIsOf(view)) {
        return buttons[number - 1] ? this.push(buttons[number - 1]) : this.nothing("There is no such call.");
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    return false;
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
    for (const name of this.names) {
      const words = TITLES[name][1];
      const [term, meaning] = ["dt", "dd"].map((tag) => document.createElement(tag));
      const button = document.createElement("button");
      button.textContent = this.spoken(map[name]);
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
    this.heard(event);
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
    this.title();
    this.draw();
  }
}
