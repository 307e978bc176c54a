// A file on its way to the viewer, chunk by chunk. Its name stays in the browser's own dialogue: it may tell of a patient.
// What was broken off goes on where it stopped, once the same file is chosen again.

const ENDS_BYTES = 1 << 20;
const TRIES = 5;
const uploads = new WeakMap();

function size(bytes) {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

async function digest(bytes) {
  const found = await crypto.subtle.digest("SHA-256", bytes);
  return [...new Uint8Array(found)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// By which the same file is known again: its size and its ends.
async function mark(file) {
  const ends = new Blob([String(file.size), file.slice(0, ENDS_BYTES), file.slice(-ENDS_BYTES)]);
  return digest(await ends.arrayBuffer());
}

async function ask(address, options) {
  const answer = await fetch(new URL(address, document.baseURI), options);
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  throw Object.assign(new Error(await answer.text()), { final: answer.status < 500 || answer.status === 507 });
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

class Upload {
  constructor(file, address, show) {
    Object.assign(this, { file, address, show, ended: new AbortController() });
  }

  async run() {
    const { file, address } = this;
    const begun = await ask(address, { method: "POST", body: JSON.stringify({ bytes: file.size, mark: await mark(file) }) });
    this.place = `${address}/${begun.upload}`;
    let got = begun.got;
    if (got) this.show(`Goes on at ${size(got)}`, got / file.size);
    while (got < file.size) {
      const chunk = await file.slice(got, got + begun.chunk).arrayBuffer();
      this.show(`${size(got)} of ${size(file.size)}`, got / file.size);
      const last = got + chunk.byteLength === file.size;
      if (last) this.show(`${size(file.size)} are here; looking at the slide ...`, 1);
      const state = await this.send(got, chunk);
      if (state.whole) return begun.upload;
      got = state.got;
    }
    return begun.upload;
  }

  async send(at, chunk) {
    const headers = { "Content-Type": "application/octet-stream", "X-SHA256": await digest(chunk) };
    for (let turn = 1; ; turn += 1) {
      try {
        return await ask(`${this.place}?at=${at}`, { method: "PUT", body: chunk, headers, signal: this.ended.signal });
      } catch (error) {
        if (error.final || this.ended.signal.aborted || turn === TRIES) throw error;
        this.show("The connection broke off; trying again ...", at / this.file.size);
        await pause(1000 * turn);
      }
    }
  }

  async cancel() {
    this.ended.abort();
    for (let turn = 0; this.place && turn < TRIES; turn += 1) {
      if (await ask(this.place, { method: "DELETE" }).then(() => true, () => false)) return;
      await pause(300);
    }
  }
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".up");
  const part = (name) => root.querySelector(name);
  const [input, state, bar, cancel, trouble] = ["input", ".up-state", ".up-bar", ".up-cancel", ".up-trouble"].map(part);
  const show = (text, share) => {
    state.textContent = text;
    bar.hidden = share == null;
    bar.value = share ?? 0;
    cancel.hidden = share == null;
  };
  const tell = (text) => {
    trouble.textContent = text;
    trouble.hidden = !text;
  };
  if (!uploads.has(root) && !state.textContent) show(data.broken ? "An upload was broken off: choose the same file again, and it goes on where it stopped." : "");
  input.onchange = async () => {
    const [file] = input.files;
    if (!file || uploads.has(root)) return;
    tell("");
    if (file.size > data.max_bytes) {
      input.value = "";
      return tell(`The file has ${size(file.size)}; at most ${size(data.max_bytes)} are taken here.`);
    }
    if (!file.size) {
      input.value = "";
      return tell("The file is empty.");
    }
    const upload = new Upload(file, data.address, show);
    uploads.set(root, upload);
    input.disabled = true;
    window.onbeforeunload = (event) => event.preventDefault();
    show("Begins ...", 0);
    try {
      const whole = await upload.run();
      show("");
      setTriggerValue("whole", whole);
    } catch (error) {
      show("");
      if (upload.ended.signal.aborted) show("The upload was cancelled; nothing of it is kept.");
      else tell(error.final ? error.message : "The upload broke off. Choose the same file again, and it goes on where it stopped.");
    }
    window.onbeforeunload = null;
    uploads.delete(root);
    input.disabled = false;
    input.value = "";
  };
  cancel.onclick = () => uploads.get(root)?.cancel();
  // A file that was chosen before anybody listened.
  if (input.files.length) input.onchange();
}
