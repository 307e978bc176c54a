// Slides to choose for a job: a line each, with the pixel size where a person must state it. Knows no path, only keys.

const SHOWN = 400;
const choices = new WeakMap();

function text(tag, className, words) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = words;
  return element;
}

class Choice {
  constructor(root, data) {
    Object.assign(this, { root, data, chosen: new Set(), sizes: new Map() });
    this.part = (name) => root.querySelector(name);
    const search = this.part(".ch-find");
    const find = () => (this.find = search.value.toLowerCase());
    search.oninput = () => {
      find();
      this.draw();
    };
    // What was typed before anybody listened.
    find();
    this.part(".ch-all").onclick = () => this.choose(this.matching().filter(({ fresh }) => fresh));
    this.part(".ch-none").onclick = () => this.choose([]);
    this.part(".ch-start").onclick = () => this.start();
    this.take(data);
  }

  take(data) {
    this.data = data;
    const there = new Set(data.slides.map(({ key }) => key));
    for (const key of this.chosen) if (!there.has(key)) this.chosen.delete(key);
    for (const { key, choose } of data.slides) if (choose && !this.sizes.has(key)) this.chosen.add(key), this.sizes.set(key, "");
    this.draw();
  }

  matching() {
    return this.data.slides.filter(({ name }) => this.find.split(/\s+/).every((word) => name.toLowerCase().includes(word)));
  }

  choose(slides) {
    this.chosen = new Set(slides.map(({ key }) => key));
    this.draw();
  }

  draw() {
    const found = this.matching();
    const list = this.part(".ch-list");
    const held = document.activeElement;
    const [from, to] = [held?.selectionStart, held?.selectionEnd];
    const holds = list.contains(held) && held.dataset.key;
    list.replaceChildren(...found.slice(0, SHOWN).map((slide) => this.line(slide)));
    if (holds) this.hold(held, from, to);
    list.hidden = !found.length;
    const more = this.part(".ch-more");
    const nothing = this.data.slides.length ? "No slide matches. Clear the search." : this.data.empty;
    more.hidden = found.length > 0 && found.length <= SHOWN;
    more.textContent = found.length ? `${found.length - SHOWN} more slides: search for a part of their names.` : nothing;
    this.count();
  }

  // A person amid a number goes on where they were.
  hold({ dataset, className }, from, to) {
    const inputs = [...this.part(".ch-list").querySelectorAll("input")];
    const again = inputs.find((one) => one.dataset.key === dataset.key && one.className === className);
    again?.focus();
    if (className === "ch-size") again?.setSelectionRange(from, to);
  }

  line(slide) {
    const line = text("div", "ch-line", "");
    const label = line.appendChild(document.createElement("label"));
    const box = label.appendChild(document.createElement("input"));
    box.type = "checkbox";
    box.checked = this.chosen.has(slide.key);
    box.dataset.key = slide.key;
    label.append(text("span", "", slide.name));
    box.onchange = () => {
      this.chosen[box.checked ? "add" : "delete"](slide.key);
      this.count();
    };
    line.append(text("span", "ch-state", slide.state));
    const size = line.appendChild(document.createElement("input"));
    size.className = "ch-size";
    size.inputMode = "decimal";
    size.dataset.key = slide.key;
    size.setAttribute("list", "ch-sizes");
    size.setAttribute("aria-label", `µm per pixel of ${slide.name}`);
    size.placeholder = slide.needs ? "µm/px, needed" : slide.mpp ? `${slide.mpp} µm/px` : "µm/px";
    size.value = this.sizes.get(slide.key) ?? "";
    size.oninput = () => {
      this.sizes.set(slide.key, size.value);
      if (size.value.trim()) this.chosen.add(slide.key), (box.checked = true);
      this.count();
    };
    if (slide.removable) {
      const remove = line.appendChild(text("button", "ch-remove", "Remove"));
      remove.type = "button";
      remove.setAttribute("aria-label", `Remove ${slide.name}`);
      remove.onclick = () => this.remove(slide.key);
    }
    return line;
  }

  wanted() {
    return this.data.slides.filter(({ key }) => this.chosen.has(key)).map(({ key, needs, name }) => {
      const stated = (this.sizes.get(key) ?? "").trim().replace(",", ".");
      return { key, name, needs, mpp: stated === "" ? null : Number(stated) };
    });
  }

  trouble() {
    const [low, high] = this.data.plausible;
    for (const { name, needs, mpp } of this.wanted()) {
      if (mpp === null && needs) return `State the pixel size of ${name}: a wrong or guessed size gives a wrong call.`;
      if (mpp !== null && !(mpp >= low && mpp <= high)) return `The pixel size of ${name} must lie between ${low} and ${high} µm.`;
    }
    return "";
  }

  count() {
    const count = this.chosen.size;
    this.part(".ch-count").textContent = count === 1 ? "1 slide is chosen." : `${count} slides are chosen.`;
    this.part(".ch-start").disabled = !count;
    this.part(".ch-trouble").hidden = true;
  }

  start() {
    const trouble = this.trouble();
    this.part(".ch-trouble").textContent = trouble;
    this.part(".ch-trouble").hidden = !trouble;
    if (trouble) return;
    this.send(this.wanted().map(({ key, mpp }) => ({ key, mpp })));
    this.choose([]);
  }
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".ch");
  let choice = choices.get(root);
  if (choice) choice.take(data);
  else choices.set(root, (choice = new Choice(root, data)));
  choice.send = (slides) => setTriggerValue("start", slides);
  choice.remove = (key) => setTriggerValue("remove", key);
}
