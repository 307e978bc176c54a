// What buttons and keys do, by name: the slide moved, something shown or put away, another slide.

import { prefer } from "./store.js";

const PAN_PX = 120;

export function press(view, what) {
  const layer = /^layer(\d)$/.exec(what);
  if (layer) return view.choose(Object.keys(view.titles)[layer[1] - 1]);
  const move = moves(view)[what];
  if (!move) return acts(view)[what]?.();
  view.moved = true;
  move();
  view.viewer.viewport.applyConstraints();
}

function moves(view) {
  const { viewport } = view.viewer;
  const pan = (x, y) =>
    viewport.panBy(viewport.deltaPointsFromPixels(new view.OpenSeadragon.Point(x, y)).rotate(-view.rotation), view.still);
  return {
    in: () => viewport.zoomBy(1.6),
    out: () => viewport.zoomBy(1 / 1.6),
    native: () => viewport.zoomTo(view.item().imageToViewportZoom(1)),
    left: () => pan(-PAN_PX, 0),
    right: () => pan(PAN_PX, 0),
    up: () => pan(0, -PAN_PX),
    down: () => pan(0, PAN_PX),
    rotate: () => viewport.setRotation(view.rotation + 90, true),
  };
}

function acts(view) {
  return {
    home: () => {
      view.moved = false;
      view.viewer.viewport.goHome();
    },
    nextSlide: () => view.go("next"),
    previousSlide: () => view.go("previous"),
    none: () => view.choose("none"),
    first: () => {
      prefer({ slideFirst: !view.preferences.slideFirst });
      view.tools.told();
    },
    outlines: () => {
      view.tools.nextOutlines();
      view.draw();
    },
    regions: () => {
      prefer({ regions: !view.preferences.regions });
      view.regions.fold();
    },
    nextRegion: () => view.regions.next(1),
    previousRegion: () => view.regions.next(-1),
    rectangle: () => view.drawing.take("rectangle"),
    polygon: () => view.drawing.take("polygon"),
    sight: () => view.drawing.sight(),
    nextDrawn: () => view.drawing.next(),
    panel: () => view.fold(),
    keys: () => view.keys.toggle(),
    link: () => view.copyLink(),
    coverage: () => view.coverage.toggle(),
    ruler: () => {
      view.drawing.finish();
      view.ruler.toggle();
    },
    light: () => view.tools.toggleLight(),
    plain: () => view.tools.plain(),
    overview: () => view.tools.nextOverview(),
    full: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()),
  };
}
