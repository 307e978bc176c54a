// What Streamlit calls at every run of the page: one view a place of the page, told what is new.

import { SlideView } from "./view.js";

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

export async function mount({ parentElement, data, setStateValue, setTriggerValue }) {
  // A view that has left the page would go on drawing, and hearing keys, for nobody.
  for (const [parent, view] of mounted) {
    if (parent !== parentElement && !view.stage.isConnected) {
      view.leave();
      mounted.delete(parent);
    }
  }
  if (!mounted.has(parentElement)) mounted.set(parentElement, new SlideView(parentElement));
  await mounted.get(parentElement).sync(data, await loadOpenSeadragon(data.library), {
    onSpot: (spot) => setStateValue("spot", spot),
    onGo: (where) => setTriggerValue("go", where),
    onDrawn: (drawn) => setStateValue("drawn", drawn),
    onRenew: () => setTriggerValue("renew", true),
  });
}
