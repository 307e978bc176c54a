// Where a person looks: magnification, um a screen px, mm; the same in the page's address, and read back from it.

const POWER_UM = 10; // a 10x objective shows 1 um a px, a 20x one 0.5
export const POWERS = [2.5, 5, 10, 20, 40];
const WRITE_PAUSE_MS = 250;

export class Place {
  constructor(view) {
    this.view = view;
  }

  get umPerPx() {
    const { viewer, data } = this.view;
    return data.mpp / this.view.item().viewportToImageZoom(viewer.viewport.getZoom(true));
  }

  get power() {
    return POWER_UM / this.umPerPx;
  }

  // Level-0 px of the centre.
  centre() {
    return this.view.item().viewportToImageCoordinates(this.view.viewer.viewport.getCenter(true));
  }

  words() {
    const { x, y } = this.centre();
    const mm = (px) => ((px * this.view.data.mpp) / 1000).toFixed(1);
    return `${this.power.toFixed(1)}x, ${this.umPerPx.toFixed(2)} um/px, ${mm(x)} mm, ${mm(y)} mm`;
  }

  zoomOf(power) {
    return this.view.item().imageToViewportZoom((this.view.data.mpp * power) / POWER_UM);
  }

  // To level-0 px (x, y), where they are given, at a magnification, where one is.
  go({ x, y, power }, atOnce = false) {
    const { viewer, OpenSeadragon } = this.view;
    const { viewport } = viewer;
    this.view.moved = true;
    if (power) viewport.zoomTo(this.zoomOf(power), null, atOnce);
    if (x !== undefined) {
      viewport.panTo(this.view.item().imageToViewportCoordinates(new OpenSeadragon.Point(x, y)), atOnce);
    }
    viewport.applyConstraints(atOnce);
  }

  // The place that the page's address names, null where it names none or another slide's.
  static read(slide) {
    const words = new URLSearchParams(location.search);
    if (words.get("slide") !== slide) return null;
    const number = (name) => (words.has(name) && Number.isFinite(+words.get(name)) ? +words.get(name) : undefined);
    const place = { x: number("x"), y: number("y"), power: number("mag"), rotation: number("rot") };
    const percent = (name) => (number(name) >= 0 && number(name) <= 100 ? number(name) : undefined);
    return { ...place, layer: words.get("layer"), opacity: percent("opacity"), threshold: percent("from") };
  }

  // The page's address with what is seen in it.
  address() {
    const address = new URL(location.href);
    const { x, y } = this.centre();
    const { opacity, threshold } = this.view.preferences;
    const words = {
      x: x.toFixed(1), y: y.toFixed(1), mag: +this.power.toPrecision(6), layer: this.view.layer, opacity, from: threshold,
    };
    for (const [name, word] of Object.entries(words)) address.searchParams.set(name, word);
    const turned = this.view.rotation;
    if (turned) address.searchParams.set("rot", turned);
    else address.searchParams.delete("rot");
    return address;
  }

  // Kept in the address without a word to the server. Another slide may be on its way: its address is not ours.
  write() {
    clearTimeout(this.writing);
    this.writing = setTimeout(() => {
      if (!this.view.item() || !this.view.stage.isConnected) return;
      if (new URLSearchParams(location.search).get("slide") !== this.view.data.view) return;
      history.replaceState(history.state, "", this.address());
    }, WRITE_PAUSE_MS);
  }
}
