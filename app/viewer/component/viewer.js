// The slide under its heatmap: OpenSeadragon for the tiles, one canvas above it for the cells.
// Streamlit calls the default export at every run of the page; only what changed is touched, so the viewport stays.

const GROUND = "#eceff3";
const NICE_STEPS = [5, 2, 1];
const SCALE_BAR_MAX_PX = 150;
const HATCH_PITCH_PX = 7;
// What counts as bare glass on the screen, of 255.
const GLASS_STEP_PX = 3;
const GLASS_DARKEST = 205;
const GLASS_COLOUR = 16;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
// The status of a tile that is there and cannot be read; why is in the answer.
const UNREADABLE = 422;
const LONGEST_WHY = 200;
const TOLD = {
  renewing: "The picture is being asked for again ...",
  restarted: "pulmoscope was started again: what is shown here is no longer complete. Open the address that it printed.",
  lost: "pulmoscope does not answer: what is shown here is not complete. Asking again ...",
  unreadable: "Part of this slide cannot be shown: its file is gone, was changed, or is damaged there.",
  why: "Part of this slide cannot be shown: ",
};

const mounted = new Map();
let loading;

function loadOpenSeadragon(address) {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(address, document.baseURI);
    script.onload = () => resolve(window.OpenSeadragon);
    script.onerror = () => reject(new Error("OpenSeadragon did not load"));
    document.head.append(script);
  });
  return loading;
}

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

function loadPicture(address) {
  const picture = new Image();
  picture.src = address;
  return picture.decode().then(() => picture);
}

function plainGround() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d");
  context.fillStyle = GROUND;
  context.fillRect(0, 0, 1, 1);
  return canvas.toDataURL();
}

function hatch(context, ratio) {
  const side = HATCH_PITCH_PX * ratio;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const pen = canvas.getContext("2d");
  pen.fillStyle = "rgba(222, 225, 230, 0.62)";
  pen.fillRect(0, 0, side, side);
  pen.strokeStyle = "rgba(74, 81, 92, 0.95)";
  pen.lineWidth = 1.4 * ratio;
  pen.beginPath();
  for (const shift of [-side, 0, side]) {
    pen.moveTo(shift - 1, side + 1);
    pen.lineTo(shift + side + 1, -1);
  }
  pen.stroke();
  return context.createPattern(canvas, "repeat");
}

class SlideView {
  constructor(root) {
    this.stage = root.querySelector(".stage");
    this.cells = root.querySelector(".cells");
    this.bar = root.querySelector(".scale-bar");
    this.legend = root.querySelector(".legend");
    this.notice = root.querySelector(".notice");
    this.pictures = {};
    root.querySelectorAll("button[data-do]").forEach((button) => {
      button.onclick = () => this.press(button.dataset.do);
    });
  }

  async sync(data, onSpot, onRenew) {
    this.data = data;
    this.onSpot = onSpot;
    this.onRenew = onRenew;
    this.drawLegend();
    const OpenSeadragon = await loadOpenSeadragon(data.library);
    await laidOut(this.stage);
    this.OpenSeadragon = OpenSeadragon;
    this.viewer ??= this.start();
    const shown = `${this.data.view} ${Boolean(this.data.tiles)}`;
    if (this.opened !== shown) {
      this.opened = shown;
      this.open();
    }
    await Promise.all(["layer", "silent"].map((name) => this.load(name)));
    this.draw();
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
      maxZoomPixelRatio: 4,
      visibilityRatio: 0.4,
      minZoomImageRatio: 0.7,
      placeholderFillStyle: GROUND,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    });
    // Above the slide, below the overview in the corner.
    viewer.canvas.append(this.cells);
    viewer.addHandler("canvas-key", (event) => {
      // OpenSeadragon turns and mirrors the slide at r and f; cells do not turn with it.
      event.preventDefaultAction ||= ["r", "f"].includes(event.originalEvent.key.toLowerCase());
    });
    viewer.addHandler("canvas-click", (event) => this.click(event));
    viewer.addHandler("tile-load-failed", ({ tile }) => this.mend(`/${tile.level}/${tile.x}_${tile.y}.jpg`));
    for (const name of ["canvas-press", "canvas-scroll", "canvas-key"]) {
      viewer.addHandler(name, () => (this.moved = true));
    }
    // The whole slide stays in sight, in a resized window too, until a person moves it.
    viewer.addHandler("resize", () => this.moved || requestAnimationFrame(() => viewer.viewport.goHome(true)));
    for (const name of ["update-viewport", "resize", "open"]) {
      viewer.addHandler(name, () => this.draw());
    }
    return viewer;
  }

  open() {
    const { width, height, tiles, tile_px, min_level, max_level } = this.data;
    this.viewer.element.parentElement.removeAttribute("data-loaded");
    this.moved = false;
    this.tell(null);
    this.viewer.navigator.element.style.visibility = tiles ? "visible" : "hidden";
    const ground = plainGround();
    const source = tiles
      ? {
          tileSize: tile_px,
          minLevel: min_level,
          maxLevel: max_level,
          getTileUrl: (level, x, y) =>
            new URL(`${this.data.tiles}/${level}/${x}_${y}.jpg`, document.baseURI).href,
        }
      : {
          tileSize: Math.max(width, height),
          minLevel: max_level,
          maxLevel: max_level,
          getTileUrl: () => ground,
        };
    this.viewer.addOnceHandler("open", () => {
      const item = this.item();
      const report = () =>
        this.viewer.element.parentElement.toggleAttribute("data-loaded", item.getFullyLoaded());
      item.addHandler("fully-loaded-change", report);
      report();
    });
    this.viewer.open({ width, height, tileOverlap: 0, ...source });
  }

  tell(what) {
    this.notice.hidden = !what;
    this.notice.textContent = what ? (TOLD[what] ?? what) : "";
  }

  // A tile is refused when its leave has run out: a new one is asked for. Where that is not it, the picture would stay
  // blurred without a word: it is told.
  async mend(place) {
    if (this.mending || !this.data.tiles) return;
    this.mending = true;
    for (let pause = FIRST_PAUSE_MS; this.stage.isConnected; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      const trouble = await this.trouble(place);
      if (trouble === "renewing") this.onRenew();
      if (trouble !== "renewing" || pause > FIRST_PAUSE_MS) this.tell(trouble);
      if (!trouble) this.item()?.reset();
      if (!["renewing", "restarted", "lost"].includes(trouble)) break;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    this.mending = false;
  }

  // What keeps a tile away, null where nothing does: a name in TOLD, or the server's own words.
  async trouble(place) {
    const ask = (address) =>
      fetch(new URL(address, document.baseURI), { cache: "no-store" }).catch(() => ({ status: 0 }));
    const answer = await ask(this.data.tiles + place);
    if (answer.status === 200) return null;
    if (answer.status === 0) return "lost";
    if (answer.status === UNREADABLE) return TOLD.why + (await answer.text()).slice(0, LONGEST_WHY);
    if (answer.status !== 403) return "unreadable";
    return (await ask("/_stcore/health")).status === 200 ? "renewing" : "restarted";
  }

  item() {
    return this.viewer.world.getItemAt(0);
  }

  async load(name) {
    const address = this.data[name];
    if (this.pictures[name]?.address === address) return;
    const picture = address ? await loadPicture(address) : null;
    // A later run may have asked for another layer while this one was decoded.
    if (this.data[name] === address) this.pictures[name] = { address, picture };
  }

  onScreen({ x, y, width, height }) {
    const { Point } = this.OpenSeadragon;
    const from = this.item().imageToViewerElementCoordinates(new Point(x, y));
    const to = this.item().imageToViewerElementCoordinates(new Point(x + width, y + height));
    return { x: from.x, y: from.y, width: to.x - from.x, height: to.y - from.y };
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.stage;
    this.cells.width = Math.round(clientWidth * ratio);
    this.cells.height = Math.round(clientHeight * ratio);
    if (!this.viewer || !this.item() || !this.cells.width || !this.cells.height) return;
    const pen = this.cells.getContext("2d");
    pen.scale(ratio, ratio);
    pen.imageSmoothingEnabled = false;
    const place = this.onScreen(this.data.placement);
    const slide = this.onScreen({ x: 0, y: 0, width: this.data.width, height: this.data.height });
    pen.save();
    pen.beginPath();
    // The cells at the edges reach beyond the slide; there is nothing there to speak of.
    pen.rect(slide.x, slide.y, slide.width, slide.height);
    pen.clip();
    pen.globalAlpha = this.data.opacity;
    this.paint(pen, this.pictures.layer?.picture, place);
    const silent = this.hatched(place, ratio);
    if (silent) {
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.drawImage(silent, 0, 0);
    }
    pen.restore();
    if (this.data.spot) this.outline(pen, this.onScreen(this.data.spot));
    this.drawScaleBar();
  }

  // Only the cells in sight are drawn: a browser places a picture of a hundred thousand px less exactly.
  paint(pen, picture, place) {
    if (!picture) return;
    const cellWidth = place.width / picture.width;
    const cellHeight = place.height / picture.height;
    const left = Math.max(0, Math.floor(-place.x / cellWidth));
    const top = Math.max(0, Math.floor(-place.y / cellHeight));
    const right = Math.min(picture.width, Math.ceil((this.stage.clientWidth - place.x) / cellWidth));
    const bottom = Math.min(picture.height, Math.ceil((this.stage.clientHeight - place.y) / cellHeight));
    if (right <= left || bottom <= top) return;
    pen.drawImage(
      picture, left, top, right - left, bottom - top,
      place.x + left * cellWidth, place.y + top * cellHeight,
      (right - left) * cellWidth, (bottom - top) * cellHeight,
    );
  }

  hatched(place, ratio) {
    const picture = this.pictures.silent?.picture;
    if (!picture) return null;
    const sheet = document.createElement("canvas");
    sheet.width = this.cells.width;
    sheet.height = this.cells.height;
    const pen = sheet.getContext("2d");
    pen.scale(ratio, ratio);
    pen.imageSmoothingEnabled = false;
    this.paint(pen, picture, place);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.globalCompositeOperation = "source-in";
    pen.fillStyle = hatch(pen, ratio);
    pen.fillRect(0, 0, sheet.width, sheet.height);
    const glass = this.data.tiles ? this.glass() : null;
    if (glass) {
      pen.globalCompositeOperation = "destination-out";
      pen.imageSmoothingEnabled = true;
      pen.drawImage(glass, 0, 0, sheet.width, sheet.height);
    }
    return sheet;
  }

  // Where the picture on the screen is bright and without colour, a few px coarser than the screen: a cell is as wide
  // as a tile, and what is said of its tissue is not said of the glass beside it.
  glass() {
    const shown = this.viewer.drawer.canvas;
    const sheet = document.createElement("canvas");
    sheet.width = Math.ceil(shown.width / GLASS_STEP_PX);
    sheet.height = Math.ceil(shown.height / GLASS_STEP_PX);
    if (!sheet.width || !sheet.height) return null;
    const pen = sheet.getContext("2d", { willReadFrequently: true });
    pen.drawImage(shown, 0, 0, sheet.width, sheet.height);
    const pixels = pen.getImageData(0, 0, sheet.width, sheet.height);
    const { data } = pixels;
    for (let i = 0; i < data.length; i += 4) {
      const [low, high] = [Math.min(data[i], data[i + 1], data[i + 2]), Math.max(data[i], data[i + 1], data[i + 2])];
      // Where nothing has been loaded yet, nothing is known.
      const bare = data[i + 3] > 0 && low >= GLASS_DARKEST && high - low <= GLASS_COLOUR;
      data[i + 3] = bare ? 255 : 0;
    }
    pen.putImageData(pixels, 0, 0);
    return sheet;
  }

  outline(pen, { x, y, width, height }) {
    for (const [style, thickness] of [["#ffffff", 4], ["#14202b", 2]]) {
      pen.strokeStyle = style;
      pen.lineWidth = thickness;
      pen.strokeRect(x, y, width, height);
    }
  }

  drawScaleBar() {
    const pxPerUm = this.onScreen({ x: 0, y: 0, width: 1000, height: 1000 }).width / 1000 / this.data.mpp;
    const longestUm = SCALE_BAR_MAX_PX / pxPerUm;
    const decade = 10 ** Math.floor(Math.log10(longestUm));
    const um = decade * NICE_STEPS.find((step) => step * decade <= longestUm);
    this.bar.style.width = `${um * pxPerUm}px`;
    this.bar.dataset.um = um;
    this.bar.textContent = um >= 1000 ? `${+(um / 1000).toPrecision(3)} mm` : `${+um.toPrecision(3)} µm`;
  }

  drawLegend() {
    this.legend.replaceChildren(
      ...this.data.legend.map(({ title, colour, look }) => {
        const entry = document.createElement("span");
        const swatch = document.createElement("i");
        swatch.className = look;
        swatch.style.setProperty("--colour", colour);
        entry.append(swatch, title);
        return entry;
      }),
    );
  }

  click(event) {
    if (!event.quick || !this.item()) return;
    const { x, y } = this.item().viewerElementToImageCoordinates(event.position);
    this.onSpot({ x: Math.floor(x), y: Math.floor(y), view: this.data.view });
  }

  press(what) {
    const viewport = this.viewer?.viewport;
    if (!viewport) return;
    this.moved = what !== "home";
    if (what === "home") viewport.goHome();
    if (what === "native") viewport.zoomTo(this.item().imageToViewportZoom(1));
    if (what === "in") viewport.zoomBy(1.6);
    if (what === "out") viewport.zoomBy(1 / 1.6);
    viewport.applyConstraints();
  }
}

export default function ({ parentElement, data, setStateValue, setTriggerValue }) {
  // A viewer that has left the page would go on drawing for nobody.
  for (const [parent, view] of mounted) {
    if (parent !== parentElement && !view.stage.isConnected) {
      view.viewer?.destroy();
      mounted.delete(parent);
    }
  }
  if (!mounted.has(parentElement)) mounted.set(parentElement, new SlideView(parentElement));
  mounted.get(parentElement).sync(
    data,
    (spot) => setStateValue("spot", spot),
    () => setTriggerValue("renew", true),
  );
}
