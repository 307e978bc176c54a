// Keys that are pressed before anybody listens: the slide's modules are on their way, or Streamlit puts the element in
// anew. They are kept for a moment, for the slide that the address named then; `slide/keys.js` takes them over.
if (!window.pulmoscopeEarly) {
  const KEPT_MS = 60_000;
  const MOST = 10;
  const TEXT = "input, textarea, select, [contenteditable=true], [role=textbox], [role=combobox]";
  const slide = () => new URLSearchParams(location.search).get("slide");
  const early = { kept: [], listening: () => false };
  early.take = () => {
    const [all, now, here] = [early.kept.splice(0), performance.now(), slide()];
    return all.filter(({ at, of }) => of === here && now - at < KEPT_MS).map(({ key }) => key);
  };
  const keep = (event) => {
    const target = event.composedPath()[0];
    if (!slide() || event.ctrlKey || event.metaKey || event.altKey || early.listening()) return;
    if (target instanceof Element && target.closest(TEXT)) return;
    early.kept = [...early.kept.slice(1 - MOST), { key: event.key, of: slide(), at: performance.now() }];
  };
  window.addEventListener("keydown", keep, true);
  window.pulmoscopeEarly = early;
}
