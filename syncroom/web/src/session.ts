/** A room that was joined with a token: its documents, its people, and the document that is open. */

import { listDocuments, Refusal, type DocumentEntry, type Listing } from "./api";
import { byId } from "./dom";
import { DocumentList } from "./documents";
import type { Place } from "./fragment";
import { Pane } from "./pane";
import { watchRoom } from "./participants";
import { showRoom } from "./peopleview";
import { sentence } from "./words";

const REFRESH_MS = 4_000;

export interface SessionEvents {
  /** Another document is open; the address should say so. */
  readonly onPlace: (place: Place) => void;
  /** The server refuses the token before anything was shown. */
  readonly onRefused: (place: Place, reason: string) => void;
}

export class Session {
  readonly #events: SessionEvents;
  readonly #list = new DocumentList((path) => this.open(path));
  // Whether the document is read only, or the server in trouble, its list of documents tells.
  readonly #pane = new Pane(() => void this.#refresh());
  readonly #people = byId("people", HTMLUListElement);
  readonly #peopleSection = byId("people-section", HTMLElement);

  #place: Place;
  #listing: Listing | null = null;
  #endWatch: (() => void) | null = null;
  #asking = false;
  #ended = false;
  #timer = 0;

  constructor(place: Place, events: SessionEvents) {
    this.#place = place;
    this.#events = events;
    byId("room-name", HTMLElement).textContent = place.room;
    byId("skip", HTMLButtonElement).addEventListener("click", () => this.#pane.focus());
    document.addEventListener("visibilitychange", () => void this.#refresh());
    window.addEventListener("focus", () => void this.#refresh());
    window.addEventListener("beforeunload", (event) => {
      if (this.#pane.hasUnsaved) event.preventDefault();
    });
    this.#pane.explain("Opening the room…", "");
    void this.#refresh();
  }

  /** Opens a document that exists, or that begins with the first thing written in it. */
  open(path: string): void {
    this.#go(path);
    document.body.classList.remove("menu-open");
    this.#pane.focus();
  }

  /** Follows the address when it changes, as with the browser's back button. */
  follow(place: Place): boolean {
    if (place.room !== this.#place.room || place.token !== this.#place.token) return false;
    this.#place = place;
    if (place.path !== null && place.path !== this.#pane.path) this.#showDocument(place.path);
    return true;
  }

  async #refresh(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#ended || this.#asking || document.hidden) return;
    this.#asking = true;
    try {
      this.#update(await listDocuments(this.#place.room, this.#place.token));
    } catch (problem) {
      this.#fail(problem);
    } finally {
      this.#asking = false;
      if (!this.#ended) this.#timer = window.setTimeout(() => void this.#refresh(), REFRESH_MS);
    }
  }

  #update(listing: Listing): void {
    const isFirst = this.#listing === null;
    this.#listing = listing;
    if (isFirst) this.#begin(listing);
    this.#show();
    const path = this.#pane.path;
    if (path !== null) this.#pane.allow(this.#mayWrite(path));
  }

  #begin(listing: Listing): void {
    this.#peopleSection.hidden = !listing.mayListParticipants;
    if (listing.mayListParticipants) {
      this.#endWatch = watchRoom(this.#place.room, this.#place.token, (people) => {
        showRoom(this.#people, people, listing.participant.id);
      });
    }
    const path = latest(listing.documents)?.path;
    if (this.#place.path !== null) {
      this.#showDocument(this.#place.path);
    } else if (path !== undefined) {
      this.#go(path);
    } else {
      this.#pane.explain("No documents yet", "Name one, and start writing.");
      this.#list.askForName();
    }
  }

  #fail(problem: unknown): void {
    if (problem instanceof Refusal) {
      this.#ended = true;
      this.#endWatch?.();
      if (this.#listing === null) this.#events.onRefused(this.#place, sentence(problem.message));
      else this.#pane.note(`The server no longer takes this link. ${sentence(problem.message)}`);
    } else if (this.#listing === null) {
      this.#pane.explain("The server does not answer", "Trying again every few seconds.");
    }
  }

  #go(path: string): void {
    if (path === this.#pane.path) return;
    this.#place = { ...this.#place, path };
    this.#events.onPlace(this.#place);
    this.#showDocument(path);
  }

  #showDocument(path: string): void {
    const listing = this.#listing;
    if (listing === null) return;
    const { room, token } = this.#place;
    const mayWrite = this.#mayWrite(path);
    this.#pane.open({ room, token, path, mayWrite, me: listing.participant });
    document.title = `${path} · ${room}`;
    this.#show();
  }

  #show(): void {
    if (this.#listing === null) return;
    const path = this.#pane.path;
    this.#list.show(withOpen(this.#listing.documents, path), path);
  }

  /** Of a document that the server does not list yet, it says so when it is written. */
  #mayWrite(path: string): boolean {
    return this.#listing?.documents.find((entry) => entry.path === path)?.mayWrite ?? true;
  }
}

function latest(entries: readonly DocumentEntry[]): DocumentEntry | undefined {
  return [...entries].sort((one, other) => (other.changedMs ?? 0) - (one.changedMs ?? 0))[0];
}

/** The server's list, with the document that is open even if it holds nothing yet. */
function withOpen(
  entries: readonly DocumentEntry[],
  path: string | null,
): readonly DocumentEntry[] {
  const isListed = path === null || entries.some((entry) => entry.path === path);
  const all = isListed ? entries : [...entries, { path, mayWrite: true, changedMs: null }];
  return [...all].sort((one, other) => one.path.localeCompare(other.path));
}
