// Streamlit runs this text as a blob, from where nothing can be imported by a relative path: the slide's modules come
// from our own route, under an address that changes with them. All are asked for at once: each names the next only when
// it has come.
export default function (given) {
  for (const address of given.data.ahead ?? []) {
    const href = new URL(address, document.baseURI).href;
    if (address.endsWith(".min.js") || document.head.querySelector(`link[href="${href}"]`)) continue;
    document.head.append(Object.assign(document.createElement("link"), { rel: "modulepreload", href }));
  }
  import(new URL(given.data.module, document.baseURI)).then(({ mount }) => mount(given));
}
