// Tells the page's address, in which the view is kept, when somebody presses the button that signs. Before the press
// itself: Streamlit hears of both in that order.
export default function ({ setStateValue }) {
  const tell = (event) => {
    if (event.target.closest?.(".st-key-sign button")) setStateValue("screen", location.search);
  };
  document.addEventListener("click", tell, true);
  return () => document.removeEventListener("click", tell, true);
}
