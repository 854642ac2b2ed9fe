/** The middle of the page: one document with its state, the people in it, and the editor. */

import type { Participant } from "./api";
import { colourOf } from "./colours";
import { byId } from "./dom";
import { Editor, TEXT_NAME } from "./editor";
import { Link, type LinkState } from "./link";
import { peopleIn } from "./people";
import { showHere } from "./peopleview";
import { splitPath } from "./paths";
import { SaveState } from "./savestate";
import { sentence } from "./words";

export interface Request {
  readonly room: string;
  readonly token: string;
  readonly path: string;
  readonly mayWrite: boolean;
  readonly me: Participant;
}

export class Pane {
  readonly #head = byId("document-head", HTMLElement);
  readonly #folder = byId("document-folder", HTMLSpanElement);
  readonly #name = byId("document-name", HTMLSpanElement);
  readonly #readOnly = byId("read-only", HTMLSpanElement);
  readonly #here = byId("here", HTMLUListElement);
  readonly #notice = byId("notice", HTMLParagraphElement);
  readonly #place = byId("editor", HTMLDivElement);
  readonly #message = byId("message", HTMLDivElement);
  readonly #messageTitle = byId("message-title", HTMLHeadingElement);
  readonly #messageText = byId("message-text", HTMLParagraphElement);
  readonly #saveState = new SaveState();

  /** Called when the server does not take what was written here. */
  readonly #onUnwanted: () => void;

  #request: Request | null = null;
  #link: Link | null = null;
  #editor: Editor | null = null;
  #lasting = "";

  /** Documents that were left with something unsaved. */
  readonly #leaving = new Set<Link>();

  constructor(onUnwanted: () => void) {
    this.#onUnwanted = onUnwanted;
  }

  get path(): string | null {
    return this.#request?.path ?? null;
  }

  get hasUnsaved(): boolean {
    return this.#isUnsaved || this.#leaving.size > 0;
  }

  get #isUnsaved(): boolean {
    return this.#link?.state.unsaved ?? false;
  }

  open(request: Request): void {
    this.#leave();
    this.#request = request;
    const [folder, name] = splitPath(request.path);
    this.#folder.textContent = folder;
    this.#name.textContent = name;
    this.#head.hidden = false;
    this.#message.hidden = true;
    this.#place.hidden = false;
    this.#readOnly.hidden = request.mayWrite;
    const link = new Link(request.room, request.path, request.token, (state) => {
      if (link === this.#link) this.#follow(state);
      else if (!state.unsaved || state.phase === "refused") this.#release(link);
    });
    this.#link = link;
    this.#editor = new Editor(this.#place, link, request.path);
    this.#join(link, request.me);
    this.#saveState.show(link.state, request.mayWrite);
    link.open();
  }

  /** What the page shows where no document can be shown. */
  explain(title: string, text: string): void {
    this.#messageTitle.textContent = title;
    this.#messageText.textContent = text;
    this.#message.hidden = false;
    this.#place.hidden = true;
  }

  /** A sentence that stays above the document, which stays readable. */
  note(text: string): void {
    this.#lasting = text;
    this.#tell("");
  }

  /** The server said what this participant may do with the document that is open. */
  allow(mayWrite: boolean): void {
    const request = this.#request;
    if (request === null || mayWrite || !request.mayWrite) return;
    const link = this.#link;
    const isLost = this.#isUnsaved;
    // Reopened, because what the server did not take would show here and nowhere else.
    this.open({ ...request, mayWrite });
    if (link !== null) this.#release(link);
    if (isLost) this.note("This document is read only for you. What you typed was not kept.");
  }

  focus(): void {
    this.#editor?.focus();
  }

  /** Leaves the document that is open; its connection stays until everything is saved. */
  #leave(): void {
    const link = this.#link;
    this.#editor?.close();
    this.#editor = null;
    this.#link = null;
    this.#request = null;
    this.note("");
    if (link === null) return;
    this.#leaving.add(link);
    link.provider.awareness.setLocalState(null);
    if (!link.state.unsaved || link.state.phase === "refused") this.#release(link);
  }

  #release(link: Link): void {
    if (this.#leaving.delete(link)) link.close();
  }

  #join(link: Link, me: Participant): void {
    const { awareness } = link.provider;
    const colour = colourOf(me.id);
    // The server writes id, name and role itself; the colours are for other y-codemirror editors.
    awareness.setLocalStateField("user", { ...me, color: colour, colorLight: `${colour}33` });
    const show = (): void => {
      if (link === this.#link) showHere(this.#here, peopleIn(awareness), me.id);
    };
    awareness.on("change", show);
    show();
  }

  #follow(state: LinkState): void {
    const request = this.#request;
    if (request === null) return;
    const isRefused = state.phase === "refused";
    this.#saveState.show(state, request.mayWrite);
    if (this.#editor !== null) {
      this.#editor.editable = request.mayWrite && state.loaded && !isRefused;
    }
    if (isRefused && !state.loaded) {
      this.explain("The server does not open this document", sentence(state.reason ?? ""));
    } else if (state.phase === "connected" || isRefused) {
      this.#message.hidden = true;
      this.#place.hidden = false;
      this.#tell(sentence(state.reason ?? this.#otherContent()));
      if (state.reason !== null && !isRefused) this.#onUnwanted();
    }
  }

  #tell(text: string): void {
    const told = this.#lasting || text;
    if (told !== this.#notice.textContent) this.#notice.textContent = told;
    this.#notice.hidden = told === "";
  }

  /** Other editors may keep their content under other names, which this page does not show. */
  #otherContent(): string {
    const doc = this.#link?.doc;
    if (doc === undefined || doc.getText(TEXT_NAME).length > 0) return "";
    const others = [...doc.share.keys()].filter((name) => name !== TEXT_NAME);
    if (others.length === 0) return "";
    const names = others.map((name) => `“${name}”`).join(", ");
    return `This page edits the text named “${TEXT_NAME}”. This document also holds ${names}.`;
  }
}
