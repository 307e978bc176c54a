// Tells the page's address, in which the view is kept, and what of the slide was on the screen (`seen/coverage.js`, if
// that is kept), when somebody presses the button that signs. Before the press itself: Streamlit hears of both in that
// order.
export default function ({ setStateValue }) {
  const tell = (event) => {
    if (!event.target.closest?.(".st-key-sign button")) return;
    const asked = new CustomEvent("ps-screen", { detail: {} });
    document.dispatchEvent(asked);
    setStateValue("screen", { address: location.search, ...asked.detail });
  };
  document.addEventListener("click", tell, true);
  return () => document.removeEventListener("click", tell, true);
}
