// The slide under its heatmap: OpenSeadragon for the tiles, one canvas above it for the cells, controls around it.
// Streamlit gives data at every run of the page; only what changed is touched, so the viewport stays.

import { press } from "./acts.js";
import { Drawing } from "../drawing/drawing.js";
import { Drawn } from "../drawing/drawn.js";
import { Coverage } from "../seen/coverage.js";
import { Keys } from "./keys.js";
import { Mender } from "./mend.js";
import { Overlay } from "./overlay.js";
import { Place } from "./place.js";
import { Planes } from "./planes.js";
import { Regions } from "./regions.js";
import { Ruler } from "./ruler.js";
import { prefer, preferences } from "./store.js";
import { Tools } from "./tools.js";

const GROUND = "#eceff3";
const NICE_STEPS = [5, 2, 1];
const SCALE_BAR_MAX_PX = 150;
const LATEST_MS = 3000;
const FINEST_UM = 0.25; // a 40x objective: shown of every slide, however coarse its scan

// The first run comes before the style sheet: a viewer started then would keep a stage without height.
function laidOut(stage) {
  return new Promise((resolve) => {
    const observer = new ResizeObserver(() => {
      if (stage.clientHeight < 100 || stage.clientWidth < 100) return;
      observer.disconnect();
      resolve();
    });
    observer.observe(stage);
  });
}

function plainGround() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d");
  context.fillStyle = GROUND;
  context.fillRect(0, 0, 1, 1);
  return canvas.toDataURL();
}

export class SlideView {
  constructor(root) {
    this.root = root;
    const find = (selector) => root.querySelector(selector);
    [this.frame, this.stage, this.cells, this.bar] = [".frame", ".stage", ".cells", ".scale-bar"].map(find);
    this.spoken = find(".spoken");
    this.placeWords = find(".place");
    this.frame.view = this;
    this.place = new Place(this);
    this.overlay = new Overlay(this);
    this.ruler = new Ruler(this);
    this.tools = new Tools(this);
    this.regions = new Regions(this, find(".rail"), find(".telling"), find(".tour"));
    this.drawn = new Drawn(this, find(".drawn"));
    this.drawing = new Drawing(this, this.drawn, find(".region-card"), find(".hint"));
    this.coverage = new Coverage(this, find(".seen"));
    this.mender = new Mender(this, find(".notice"));
    this.keys = new Keys(this, find(".shortcuts"));
    this.fold(this.preferences.panel);
  }

  leave() {
    this.keys.leave();
    this.regions.leave();
    this.drawn.leave();
    this.drawing.leaveView();
    this.coverage.leave();
    this.viewer?.destroy();
  }

  get preferences() {
    return preferences();
  }

  get opacity() {
    return this.preferences.opacity / 100;
  }

  get threshold() {
    return this.preferences.threshold / 100;
  }

  get rotation() {
    return ((this.viewer.viewport.getRotation() % 360) + 360) % 360;
  }

  // A person who asked for no motion is set down at once.
  get still() {
    return matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  async sync(data, OpenSeadragon, { onSpot, onRenew, onGo, onDrawn }) {
    Object.assign(this, { data, OpenSeadragon, onSpot, onRenew, onGo, onDrawn });
    this.leaving = false;
    this.fit();
    this.regions.fold();
    this.tools.around();
    await laidOut(this.stage);
    this.viewer ??= this.start();
    this.keys.listen();
    if (this.shown !== `${data.view} ${Boolean(data.tiles)}`) {
      this.shown = `${data.view} ${Boolean(data.tiles)}`;
      this.open();
    }
    this.drawn.sync(data.drawing);
    await this.readCells();
    this.coverage.sync();
    this.draw();
    this.keys.catchUp();
  }

  // What stands above the slide is the server's, and not always as high.
  fit() {
    const top = this.root.querySelector(".reader").getBoundingClientRect().top;
    if (top > 0) document.documentElement.style.setProperty("--ps-top", `${Math.ceil(top)}px`);
  }

  async readCells() {
    const { cells } = this.data;
    if (this.packed === cells.packed) return;
    this.packed = cells.packed;
    const planes = await Planes.read({ ...cells, outputs: this.data.outputs, attention: this.data.attention });
    // A later run may have given another slide while these were unpacked.
    if (this.packed !== cells.packed) return;
    this.planes = planes;
    this.overlay.forget();
  }

  start() {
    const viewer = this.OpenSeadragon({
      element: this.stage,
      drawer: "canvas",
      showNavigationControl: false,
      showNavigator: true,
      navigatorPosition: "BOTTOM_RIGHT",
      navigatorSizeRatio: 0.18,
      navigatorAutoFade: false,
      navigatorBackground: GROUND,
      navigatorBorderColor: "#cbd4dd",
      navigatorOpacity: 1,
      navigatorDisplayRegionColor: "#1f5f8b",
      animationTime: 0.5,
      maxZoomPixelRatio: Math.max(4, this.data.mpp / FINEST_UM),
      visibilityRatio: 0.4,
      minZoomImageRatio: 0.7,
      preserveImageSizeOnResize: true,
      placeholderFillStyle: GROUND,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    });
    // Above the slide, below the overview in the corner.
    viewer.canvas.append(this.cells);
    // Our own keys work wherever the focus is.
    viewer.addHandler("canvas-key", (event) => (event.preventDefaultAction = true));
    this.ruler.watch(viewer);
    this.drawing.watch(viewer);
    this.coverage.watch(viewer);
    viewer.addHandler("canvas-click", (event) => this.click(event));
    viewer.addHandler("tile-load-failed", ({ tile }) => this.mender.mend(`/${tile.level}/${tile.x}_${tile.y}.jpg`));
    for (const name of ["canvas-drag", "canvas-scroll", "canvas-double-click", "canvas-pinch"]) {
      viewer.addHandler(name, () => (this.moved = true));
    }
    // The whole slide stays in sight, in a resized window too, until a person moves it.
    new ResizeObserver(() => this.fit()).observe(document.body);
    viewer.addHandler("resize", () => this.moved || requestAnimationFrame(() => viewer.viewport.goHome(true)));
    for (const name of ["update-viewport", "resize", "open", "rotate"]) viewer.addHandler(name, () => this.draw());
    for (const name of ["animation-finish", "open", "rotate"]) viewer.addHandler(name, () => this.place.write());
    return viewer;
  }

  open() {
    const { view, width, height } = this.data;
    this.frame.removeAttribute("data-loaded");
    this.frame.dataset.slide = view;
    this.moved = false;
    this.later = [];
    setTimeout(() => this.sharp(), LATEST_MS);
    this.planes = null;
    this.card(true);
    this.mender.tell(null);
    this.viewer.viewport?.setRotation(0, true);
    const place = Place.read(view);
    // What a link tells holds for the page; it does not become what the person prefers.
    for (const name of ["opacity", "threshold"]) {
      if (place?.[name] !== undefined && !this.tools.early.has(name)) this.preferences[name] = place[name];
    }
    this.tools.early.clear();
    this.tools.show();
    this.coverage.sync();
    this.offerLayers(place?.layer);
    this.tools.overview();
    this.regions.open();
    this.drawing.forget();
    this.viewer.addOnceHandler("open", () => {
      this.watchLoading();
      if (place?.rotation) this.viewer.viewport.setRotation(place.rotation, true);
      if (place?.power || place?.x !== undefined) this.place.go(place, true);
    });
    this.viewer.open({ width, height, tileOverlap: 0, ...this.source() });
    this.say(this.data.told);
  }

  source() {
    const { width, height, tile_px, min_level, max_level } = this.data;
    const ground = plainGround();
    if (!this.data.tiles) {
      const side = Math.max(width, height);
      return { tileSize: side, minLevel: max_level, maxLevel: max_level, getTileUrl: () => ground };
    }
    const address = (level, x, y) => new URL(`${this.data.tiles}/${level}/${x}_${y}.jpg`, document.baseURI).href;
    return { tileSize: tile_px, minLevel: min_level, maxLevel: max_level, getTileUrl: address };
  }

  watchLoading() {
    const item = this.item();
    const report = () => {
      this.frame.toggleAttribute("data-loaded", item.getFullyLoaded());
      if (item.getFullyLoaded()) this.sharp();
    };
    item.addHandler("fully-loaded-change", report);
    report();
  }

  // What can wait until the slide stands sharp on the screen, or does not come.
  whenSharp(act) {
    this.later.push(act);
  }

  sharp() {
    for (const act of this.later.splice(0)) act();
  }

  offerLayers(wanted) {
    const { outputs } = this.data;
    const titles = { call: "Call map" };
    outputs.forEach(({ title, kind }, i) => kind === "class" && (titles[`class-${i}`] = title));
    if (outputs.some(({ kind, shown }) => kind === "tissue" && shown)) titles.kinds = "Other tissue";
    if (this.data.attention) titles.attention = "Attention";
    if (this.coverage.shown) titles.seen = "Seen";
    Object.assign(titles, { tissue: "Tissue", none: "Slide only" });
    this.titles = titles;
    this.layer = Object.hasOwn(titles, wanted ?? "") ? wanted : this.preferences.slideFirst ? "none" : "call";
    this.tools.layers(titles, this.layer);
    this.tools.legend();
  }

  choose(layer) {
    if (!Object.hasOwn(this.titles ?? {}, layer ?? "")) return;
    this.layer = layer;
    this.tools.chosen(layer);
    this.say(`Layer: ${this.titles[layer]}`);
    this.changed();
  }

  // Something of the overlay was chosen anew; the viewport is not touched.
  changed() {
    // Before the slide is there, it is drawn with what was chosen once it comes.
    if (!this.titles) return;
    this.tools.legend();
    this.draw();
    this.place.write();
  }

  hide(hidden) {
    if (this.hidden === hidden) return;
    this.hidden = hidden;
    this.draw();
  }

  item() {
    return this.viewer?.world.getItemAt(0);
  }

  onScreen(x, y) {
    return this.item().imageToViewerElementCoordinates(new this.OpenSeadragon.Point(x, y));
  }

  // Level-0 px under the corners of the screen.
  corners() {
    const { clientWidth, clientHeight } = this.stage;
    return [[0, 0], [clientWidth, 0], [clientWidth, clientHeight], [0, clientHeight]].map(([x, y]) =>
      this.item().viewerElementToImageCoordinates(new this.OpenSeadragon.Point(x, y)),
    );
  }

  cellCentre(column, row) {
    const { placement, cells } = this.data;
    return {
      x: placement.x + ((column + 0.5) * placement.width) / cells.columns,
      y: placement.y + ((row + 0.5) * placement.height) / cells.rows,
    };
  }

  draw() {
    this.overlay.draw(this.cells);
    if (!this.item()) return;
    this.placeWords.textContent = this.place.words();
    this.drawScaleBar();
  }

  drawScaleBar() {
    const { umPerPx } = this.place;
    const longestUm = SCALE_BAR_MAX_PX * umPerPx;
    const decade = 10 ** Math.floor(Math.log10(longestUm));
    const um = decade * NICE_STEPS.find((step) => step * decade <= longestUm);
    this.bar.style.width = `${um / umPerPx}px`;
    this.bar.dataset.um = um;
    this.bar.textContent = um >= 1000 ? `${+(um / 1000).toPrecision(3)} mm` : `${+um.toPrecision(3)} µm`;
  }

  go(where) {
    this.drawing.finish();
    if (this.drawn.needs) return this.drawing.tell(this.drawn.needs);
    if (!this.data.around[where]) return this.say(`There is no ${where} slide in the worklist.`);
    this.say(`Opening the ${where} slide.`);
    this.leaving = true;
    this.onGo(where);
  }

  say(words) {
    this.spoken.textContent = words;
  }

  click(event) {
    if (!event.quick || !this.item() || this.ruler.on || this.drawing.click(event)) return;
    const { x, y } = this.item().viewerElementToImageCoordinates(event.position);
    this.card(true);
    // The card stands where the person does not look.
    const right = event.position.x > 0.45 * this.stage.clientWidth;
    document.documentElement.toggleAttribute("data-ps-spot-left", right);
    this.onSpot({ x: Math.floor(x), y: Math.floor(y), view: this.data.view });
  }

  // What was read at a click is drawn by the server, over the slide; it can be put away.
  card(open) {
    this.spotClosed = !open;
    document.documentElement.toggleAttribute("data-ps-spot-closed", !open);
    this.draw();
  }

  fold(open = !this.preferences.panel) {
    prefer({ panel: open });
    document.documentElement.toggleAttribute("data-ps-folded", !open);
    this.root.querySelector('[data-do="panel"]').setAttribute("aria-expanded", open);
  }

  escape() {
    if (!this.keys.list.hidden) this.keys.toggle(false);
    else if (this.drawing.escape()) return;
    else if (this.ruler.on) this.ruler.toggle(false);
    else if (this.regions.reason) this.regions.drop();
    else this.card(false);
  }

  press(what) {
    if (this.item()) press(this, what);
  }

  // A page without TLS on another machine has no clipboard: the address bar then holds the same.
  async copyLink() {
    const address = this.place.address().href;
    history.replaceState(history.state, "", address);
    const button = this.root.querySelector('[data-do="link"]');
    try {
      await navigator.clipboard.writeText(address);
      button.textContent = "Copied";
    } catch {
      button.textContent = "See address bar";
    }
    this.say(button.textContent);
    setTimeout(() => (button.textContent = "Copy link"), 2000);
  }
}
