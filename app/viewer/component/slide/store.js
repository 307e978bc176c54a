// What a person prefers, kept by the browser. Nothing of a slide is kept.

const NAME = "pulmoscope-reading";
const FIRST = {
  opacity: 40, threshold: 0, map: "class", slideFirst: false, panel: true, regions: true,
  overview: "bottomright", outlines: "auto", coverage: true, keys: {},
};

// A browser may forbid its storage: preferences then last as long as the page.
let held;

export function preferences() {
  if (held) return held;
  try {
    held = { ...FIRST, ...JSON.parse(localStorage.getItem(NAME) ?? "{}") };
  } catch {
    held = { ...FIRST };
  }
  return held;
}

export function prefer(changed) {
  held = { ...preferences(), ...changed };
  try {
    localStorage.setItem(NAME, JSON.stringify(held));
  } catch {
    // Forbidden, or full.
  }
}
