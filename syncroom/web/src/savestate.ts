/** The words beside a document's name: is it connected, and is everything on the server's disk? */

import { byId } from "./dom";
import type { LinkState } from "./link";

// "Saving" stays for so long at least. It may claim too little for a moment, never too much, and
// it does not flicker at every key.
const CALM_MS = 600;

interface Shown {
  readonly kind: "busy" | "good" | "bad";
  readonly text: string;
}

export function describe(state: LinkState, mayWrite: boolean): Shown {
  switch (state.phase) {
    case "connecting":
      return { kind: "busy", text: "Connecting…" };
    case "offline":
      return state.unsaved
        ? { kind: "bad", text: "Offline, changes not saved yet" }
        : { kind: "bad", text: "Offline, reconnecting…" };
    case "refused":
      return { kind: "bad", text: state.unsaved ? "Closed, changes not saved" : "Closed" };
    case "connected":
      if (!mayWrite) return { kind: "good", text: "Live" };
      if (!state.unsaved) return { kind: "good", text: "Saved" };
      return state.reason === null
        ? { kind: "busy", text: "Saving…" }
        : { kind: "bad", text: "Not saved" };
  }
}

export class SaveState {
  readonly #chip = byId("save-state", HTMLSpanElement);
  readonly #announcement = byId("announcement", HTMLParagraphElement);
  #phase: LinkState["phase"] = "connecting";
  #wasUnsaved = false;
  #timer = 0;

  show(state: LinkState, mayWrite: boolean): void {
    const shown = describe(state, mayWrite);
    clearTimeout(this.#timer);
    const isSaved = this.#wasUnsaved && !state.unsaved;
    this.#wasUnsaved = state.unsaved;
    if (state.phase === "connected" && isSaved) {
      this.#timer = window.setTimeout(() => this.#write(shown), CALM_MS);
    } else {
      this.#write(shown);
    }
    if (state.phase === this.#phase) return;
    this.#phase = state.phase;
    // Screen readers hear of the connection, not of every save.
    this.#announcement.textContent = shown.text;
  }

  #write({ kind, text }: Shown): void {
    this.#chip.dataset["kind"] = kind;
    this.#chip.textContent = text;
  }
}
