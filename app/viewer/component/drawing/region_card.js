// The card of one region: its class, a comment, and what becomes of it. Enter keeps, Escape leaves it as it was.

export class RegionCard {
  constructor(drawing, form) {
    Object.assign(this, { drawing, form });
    form.onsubmit = (event) => {
      event.preventDefault();
      drawing.keep();
    };
    form.addEventListener("keydown", (event) => {
      const keeps = event.key === "Enter" && !event.shiftKey && !event.target.matches("button");
      if (!keeps && event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      if (keeps) drawing.keep();
      else drawing.drop();
    });
  }

  get open() {
    return !this.form.hidden;
  }

  close() {
    this.form.hidden = true;
  }

  // What is written on it.
  get told() {
    const field = (name) => this.form.elements[name];
    return { name: field("name")?.value ?? "", comment: field("comment")?.value ?? "" };
  }

  show(region, trouble = "") {
    this.form.hidden = false;
    const title = document.createElement("b");
    title.textContent = region.shape === "rectangle" ? "Rectangle" : "Polygon";
    const area = document.createElement("span");
    area.className = "area";
    const parts = [title, area];
    if (trouble) parts.push(this.trouble(trouble));
    parts.push(...(region.mine ? this.fields(region) : this.locked(region)));
    this.form.replaceChildren(...parts);
    this.measured(region);
    (this.form.elements.name ?? this.form.querySelector("button")).focus();
  }

  measured(region) {
    this.form.querySelector(".area").textContent = this.drawing.drawn.area(region);
  }

  trouble(words) {
    const line = document.createElement("p");
    line.setAttribute("role", "alert");
    line.textContent = words;
    return line;
  }

  fields(region) {
    const select = document.createElement("select");
    select.name = "name";
    const known = this.drawing.drawn.given.classes;
    const others = [{ name: "", title: "Without a class" }, ...known];
    if (region.name && !known.some(({ name }) => name === region.name)) others.push({ name: region.name, title: region.name });
    select.replaceChildren(...others.map(({ name, title }) => new Option(title, name)));
    select.value = region.name ?? "";
    const comment = document.createElement("textarea");
    Object.assign(comment, { name: "comment", rows: 2, maxLength: 2000, value: region.comment ?? "" });
    comment.placeholder = "In your own words; no patient's name";
    return [this.field("Class", select), this.field("Comment", comment), this.buttons(region)];
  }

  field(words, control) {
    const label = document.createElement("label");
    label.append(words, control);
    return label;
  }

  buttons({ id }) {
    const row = document.createElement("div");
    const keep = this.button("Keep", null, "submit");
    row.append(keep, this.button("Cancel", () => this.drawing.drop()));
    if (id) row.append(this.button("Delete", () => this.drawing.remove()));
    return row;
  }

  button(words, act, type = "button") {
    const button = document.createElement("button");
    Object.assign(button, { type, textContent: words, onclick: act });
    return button;
  }

  locked(region) {
    const lines = [this.drawing.drawn.look(region.name).title, region.comment, region.by, this.drawing.drawn.given.why];
    return [
      ...lines.filter(Boolean).map((words) => {
        const line = document.createElement("p");
        line.textContent = words;
        return line;
      }),
      this.button("Close", () => this.drawing.drop()),
    ];
  }
}
