// Tiles that do not come, and a server that went away: asked for again, and told over the picture.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const LOOK_EVERY_MS = 5_000;
const HEALTH = "/_stcore/health";
// The status of a tile that is there and cannot be read; why is in the answer.
const UNREADABLE = 422;
const LONGEST_WHY = 200;
const TOLD = {
  renewing: "The picture is being asked for again ...",
  restarted: "pulmoscope was started again: what is shown here is no longer complete. Open the address that it printed.",
  out: "Your login has ended: what is shown here is no longer complete. Reload the page.",
  lost: "pulmoscope does not answer: what is shown here is not complete. Asking again ...",
  unreadable: "Part of this slide cannot be shown: its file is gone, was changed, or is damaged there.",
  why: "Part of this slide cannot be shown: ",
};

function ask(address) {
  return fetch(new URL(address, document.baseURI), { cache: "no-store" }).catch(() => ({ status: 0 }));
}

// Why the server lets nobody in: "" where it does.
async function closed() {
  const answer = await ask(HEALTH);
  if (answer.status === 200) return "";
  if (answer.status !== 403) return "lost";
  return (await answer.text()).startsWith("Your login") ? "out" : "restarted";
}

export class Mender {
  constructor(view, notice) {
    this.view = view;
    this.notice = notice;
    this.watching = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  tell(what) {
    this.notice.hidden = !what;
    this.notice.textContent = what ? (TOLD[what] ?? what) : "";
  }

  // Whether the server is there, also while no tile is asked for. One answer may be late: two in a row are told.
  async look() {
    if (!this.view.stage.isConnected) return clearInterval(this.watching);
    if (this.mending || document.hidden) return;
    const why = await closed();
    this.missed = why ? (this.missed ?? 0) + 1 : 0;
    // What is told already tells more.
    const free = this.notice.hidden || this.away;
    if (this.missed > 1 && free) {
      this.away = true;
      this.tell(why);
    } else if (this.away && !why) {
      this.away = false;
      this.tell(null);
      this.view.item()?.reset();
    }
  }

  // A tile is refused when its leave has run out: a new one is asked for. Where that is not it, the picture would stay
  // blurred without a word: it is told.
  async mend(place) {
    if (this.mending || !this.view.data.tiles) return;
    this.mending = true;
    for (let pause = FIRST_PAUSE_MS; this.view.stage.isConnected; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      const trouble = await this.trouble(place);
      if (trouble === "renewing") this.view.onRenew();
      if (trouble !== "renewing" || pause > FIRST_PAUSE_MS) this.tell(trouble);
      if (!trouble) this.view.item()?.reset();
      if (!["renewing", "restarted", "out", "lost"].includes(trouble)) break;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    this.mending = false;
  }

  // What keeps a tile away, null where nothing does: a name in TOLD, or the server's own words.
  async trouble(place) {
    const answer = await ask(this.view.data.tiles + place);
    if (answer.status === 200) return null;
    if (answer.status === 0) return "lost";
    if (answer.status === UNREADABLE) return TOLD.why + (await answer.text()).slice(0, LONGEST_WHY);
    if (answer.status !== 403) return "unreadable";
    return (await closed()) || "renewing";
  }
}
