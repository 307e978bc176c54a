// The keys of a page that has no slide to show: a failed one. They press the page's own buttons.

import { Keys } from "./keys.js";

const BUTTONS = { nextSlide: "next-slide", previousSlide: "previous-slide" };
const [PATIENCE_MS, PAUSE_MS] = [5000, 40];
let bare;

class Bare {
  constructor(root) {
    this.stage = root.querySelector(".bare");
    this.spoken = root.querySelector(".spoken");
    this.keys = new Keys(this, root.querySelector(".shortcuts"), [...Object.keys(BUTTONS), "keys"]);
    root.querySelector("[data-do=keys]").onclick = () => this.keys.toggle();
  }

  // Keys are heard before the page's buttons are there.
  async press(what) {
    if (what === "keys") return this.keys.toggle();
    const here = location.search;
    for (const until = performance.now() + PATIENCE_MS; location.search === here && performance.now() < until; ) {
      const button = document.querySelector(`.st-key-${BUTTONS[what]} button`);
      const drawn = button && !button.closest("[data-stale=true]");
      if (drawn && !button.disabled) return button.click();
      if (drawn) break;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    if (location.search === here) this.say("There is no slide that way in the worklist.");
  }

  escape() {
    this.keys.toggle(false);
  }

  hide() {}

  say(words) {
    this.spoken.textContent = words;
  }
}

export function mount({ parentElement }) {
  if (bare?.stage.isConnected && bare.root === parentElement) return;
  const before = bare;
  before?.keys.leave();
  bare = new Bare(parentElement);
  Object.assign(bare, { root: parentElement, of: location.search });
  // The same page, put in anew: the list that a person opened stays open.
  if (before?.of === bare.of && !before.keys.list.hidden) bare.keys.toggle(true);
  bare.keys.listen();
  bare.keys.catchUp([...Object.keys(BUTTONS), "keys"]);
}
