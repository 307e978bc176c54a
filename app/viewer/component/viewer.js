// Streamlit runs this text as a blob, from where nothing can be imported by a relative path: the slide's modules come
// from our own route, under an address that changes with them.
export default function (given) {
  import(new URL(given.data.module, document.baseURI)).then(({ mount }) => mount(given));
}
