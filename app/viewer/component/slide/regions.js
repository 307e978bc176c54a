// Where to look: the most telling regions as thumbnails, and the tiles of each reason; a click or a key flies there.

const THUMB_PX = 150;
const THUMB_UM = 600;
const POWER = 20;

export class Regions {
  constructor(view, rail, telling, tour) {
    Object.assign(this, { view, rail, telling, tour });
    this.reason = null;
    this.at = -1;
    // The reasons stand in the panel, what a click read on a card; the server draws both.
    this.listen = (event) => {
      const button = event.composedPath()[0].closest?.("[data-ps-reason], [data-ps-close]");
      if (button?.dataset.psReason) this.follow(button.dataset.psReason);
      else if (button) this.view.card(false);
    };
    document.addEventListener("click", this.listen);
  }

  leave() {
    document.removeEventListener("click", this.listen);
  }

  open() {
    const { regions } = this.view.data;
    this.drop();
    this.at = -1;
    const title = document.createElement("b");
    title.textContent = regions.length ? "Where to look" : "";
    this.telling.replaceChildren(title, ...regions.map((region, index) => this.thumbnail(region, index)));
  }

  // Before the slide is laid beside it.
  fold() {
    const any = this.view.data.regions.length || this.view.drawn.regions.length || this.view.data.drawing.may;
    this.rail.hidden = !any || !this.view.preferences.regions;
  }

  thumbnail(region, index) {
    const button = document.createElement("button");
    button.setAttribute("data-testid", "region");
    button.title = this.words(region);
    button.classList.toggle("further", region.spot > 1);
    const picture = document.createElement("canvas");
    picture.width = THUMB_PX;
    picture.height = Math.round(THUMB_PX / 1.45);
    const words = document.createElement("span");
    // The area is the region's; what is only another spot of it does not claim it again.
    words.textContent = region.spot > 1
      ? `Spot ${region.spot} of it: ${region.score}`
      : `${region.title} ${region.score}, ${region.area}`;
    button.append(picture, words);
    button.onclick = () => {
      this.drop();
      this.visit(index);
    };
    // What is in sight comes first.
    this.view.whenSharp(() => this.portray(picture, region));
    return button;
  }

  words({ title, score, area, spot, spots, words }) {
    if (words) return words;
    return `${title}; score ${score}; ${area}${spots > 1 ? `, spot ${spot} of ${spots} in this region` : ""}`;
  }

  // The tissue around a place, from as few tiles as show it sharp.
  async portray(canvas, { x, y, colour }) {
    const pen = canvas.getContext("2d");
    const { tiles, tile_px, max_level, min_level, mpp } = this.view.data;
    pen.fillStyle = colour;
    if (!tiles) return pen.fillRect(0, 0, canvas.width, canvas.height);
    const step = THUMB_UM / mpp / canvas.width; // slide px a px of the thumbnail
    const level = Math.max(min_level, max_level - Math.max(0, Math.floor(Math.log2(step))));
    const scale = 2 ** (max_level - level); // slide px a px of the level
    const [left, top] = [x - (canvas.width / 2) * step, y - (canvas.height / 2) * step];
    const side = tile_px * scale;
    const { width, height } = this.view.data;
    for (let row = Math.max(0, Math.floor(top / side)); row * side < Math.min(height, top + canvas.height * step); row++) {
      for (let column = Math.max(0, Math.floor(left / side)); column * side < Math.min(width, left + canvas.width * step); column++) {
        const picture = new Image();
        picture.src = new URL(`${tiles}/${level}/${column}_${row}.jpg`, document.baseURI);
        picture.onload = () =>
          pen.drawImage(
            picture, (column * side - left) / step, (row * side - top) / step,
            (picture.naturalWidth * scale) / step, (picture.naturalHeight * scale) / step,
          );
      }
    }
  }

  get stops() {
    if (!this.reason) return this.view.data.regions;
    return this.areas.map(([column, row]) => this.view.cellCentre(column, row));
  }

  next(step) {
    const { stops } = this;
    if (!stops.length) return this.view.say("No region to go to.");
    this.visit(this.at < 0 && step < 0 ? stops.length - 1 : (this.at + step + stops.length) % stops.length);
  }

  visit(index) {
    const stop = this.stops[index];
    if (!stop) return;
    this.at = index;
    this.view.place.go({ x: stop.x, y: stop.y, power: POWER }, this.view.still);
    const which = `${index + 1} of ${this.stops.length}`;
    if (this.reason) {
      this.tellTour(which);
    } else {
      this.telling.querySelectorAll("button").forEach((one, i) => one.setAttribute("aria-current", i === index));
      this.telling.querySelectorAll("button")[index]?.scrollIntoView({ block: "nearest" });
      this.view.say(`Place ${which}: ${this.words(stop)}`);
    }
  }

  // The tiles of a reason are outlined, and N and P go through them until Escape.
  follow(reason) {
    const { planes, data } = this.view;
    if (!planes?.marks[reason]) return;
    this.reason = reason;
    this.areas = planes.areas(reason);
    this.title = data.reasons[reason];
    this.visit(0);
    this.view.draw();
  }

  tellTour(which) {
    this.tour.hidden = false;
    this.tour.textContent = `${this.title}: area ${which}. `;
    for (const [title, act] of [["Next", () => this.next(1)], ["End", () => this.drop()]]) {
      const button = document.createElement("button");
      button.textContent = title;
      button.onclick = act;
      this.tour.append(button);
    }
    this.view.say(`${this.title}: area ${which}`);
  }

  drop() {
    if (!this.reason) return;
    this.reason = null;
    this.at = -1;
    this.tour.hidden = true;
    this.view.draw();
  }
}
