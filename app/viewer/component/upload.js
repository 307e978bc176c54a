// One image on its way to the viewer. Its name stays in the browser's own dialogue: it may tell of a patient.

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

async function carry(address, file) {
  const body = await file.arrayBuffer();
  const answer = await fetch(address, { method: "PUT", body, headers: { "Content-Type": "application/octet-stream" } });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
}

export default function ({ parentElement, data, setStateValue }) {
  const input = parentElement.querySelector("input");
  const state = parentElement.querySelector(".up-state");
  const remove = parentElement.querySelector(".up-remove");
  const address = new URL(data.address, document.baseURI);
  const show = (text, chosen) => {
    state.textContent = text;
    remove.hidden = !chosen;
  };
  if (!input.dataset.busy) show(data.bytes ? `An image of ${size(data.bytes)} is chosen.` : state.dataset.trouble ?? "", data.bytes);
  input.onchange = async () => {
    const [file] = input.files;
    if (!file) return;
    input.dataset.busy = "yes";
    delete state.dataset.trouble;
    show(`Taking in ${size(file.size)} ...`, false);
    let receipt = null;
    if (file.size > data.max_bytes) state.dataset.trouble = `The image is larger than ${size(data.max_bytes)}.`;
    else
      receipt = await carry(address, file).catch((error) => {
        state.dataset.trouble = error.message || "The image could not be taken in.";
        return null;
      });
    input.value = "";
    delete input.dataset.busy;
    show(receipt ? `An image of ${size(file.size)} is chosen.` : state.dataset.trouble, Boolean(receipt));
    setStateValue("image", receipt ?? `none-${Date.now()}`);
  };
  remove.onclick = async () => {
    await fetch(address, { method: "DELETE" });
    show("", false);
    setStateValue("image", `none-${Date.now()}`);
  };
}
