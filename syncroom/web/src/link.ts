/**
 * One document, its connection, and what can be said truthfully about both.
 *
 * Built on the published y-websocket provider. It adds what that keeps to itself: the reason when
 * the server refuses, and which edits the server has confirmed to be on disk.
 */

import * as decoding from "lib0/decoding";
import { readAuthMessage } from "y-protocols/auth";
import { messageAuth, messageSync, WebsocketProvider } from "y-websocket";
import { Doc } from "yjs";

import { escapePath } from "./paths";
import { Unsaved } from "./saved";

export type Phase = "connecting" | "connected" | "offline" | "refused";

export interface LinkState {
  readonly phase: Phase;
  /** True once the server's content has been here. */
  readonly loaded: boolean;
  /** True while an edit of this page is not known to be on the server's disk. */
  readonly unsaved: boolean;
  /** Why the server refuses the document, or refuses to take edits; null while it does not. */
  readonly reason: string | null;
}

const SYNC_STEP_1 = 0;
const SYNC_STEP_2 = 1;

export class Link {
  readonly doc = new Doc();
  readonly provider: WebsocketProvider;

  readonly #unsaved = new Unsaved();
  readonly #onChange: (state: LinkState) => void;
  #phase: Phase = "connecting";
  #loaded = false;
  #reason: string | null = null;
  #reported = "";

  constructor(room: string, path: string, token: string, onChange: (state: LinkState) => void) {
    this.#onChange = onChange;
    const name = `${encodeURIComponent(room)}/${escapePath(path)}`;
    this.provider = new WebsocketProvider(socketAddress(), name, this.doc, {
      connect: false,
      // Two tabs of one browser may hold tokens with different rights.
      disableBc: true,
      // Not in the address, which proxies on the way write to their logs.
      protocols: [`syncroom.${token}`],
    });
    this.#watchConnection();
    this.#watchMessages();
    this.doc.on("update", (update: Uint8Array, origin: unknown) => {
      if (origin === this.provider) return;
      this.#unsaved.wrote(update);
      this.#report();
    });
  }

  get state(): LinkState {
    return {
      phase: this.#phase,
      loaded: this.#loaded,
      unsaved: !this.#unsaved.isEmpty,
      reason: this.#reason,
    };
  }

  open(): void {
    this.provider.connect();
  }

  close(): void {
    this.provider.destroy();
    this.doc.destroy();
  }

  #watchConnection(): void {
    this.provider.on("sync", (synced) => {
      if (!synced) return;
      this.#loaded = true;
      this.#reason = null;
      this.#enter("connected");
    });
    this.provider.on("connection-close", () => this.#enter("offline"));
    this.provider.on("closed", ({ code, reason }) => {
      this.#reason ??= reason || `The server closed the document for good (${code}).`;
      this.#enter("refused");
    });
  }

  #watchMessages(): void {
    const handlers = this.provider.messageHandlers;
    const receive = handlers[messageSync];
    handlers[messageSync] = (encoder, decoder, provider, emitSynced, type) => {
      const copy = decoding.clone(decoder);
      receive?.(encoder, decoder, provider, emitSynced, type);
      this.#confirm(decoding.readVarUint(copy), decoding.readVarUint8Array(copy));
    };
    handlers[messageAuth] = (_encoder, decoder) => {
      readAuthMessage(decoder, this.doc, (_doc, reason) => this.#refused(reason));
    };
  }

  #confirm(kind: number, payload: Uint8Array): void {
    if (kind === SYNC_STEP_1) this.#unsaved.known(payload);
    else if (kind === SYNC_STEP_2) this.#unsaved.answered(payload);
    else this.#unsaved.confirmed(payload);
    if (this.#phase === "connected" && this.#unsaved.isEmpty) this.#reason = null;
    this.#report();
  }

  /**
   * Before the first sync it is the document that is refused, after it only what this page wrote.
   * Neither need be for good: the close code says so of the one, a later echo of the other.
   */
  #refused(reason: string): void {
    this.#reason = reason || "The server gave no reason.";
    this.#enter(this.provider.synced ? "connected" : "refused");
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#report();
  }

  #report(): void {
    const state = this.state;
    const summary = JSON.stringify(state);
    if (summary === this.#reported) return;
    this.#reported = summary;
    this.#onChange(state);
  }
}

/** The server's y-websocket endpoint, beside the page whatever prefix that has. */
function socketAddress(): string {
  const address = new URL("yjs", document.baseURI);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.hash = "";
  return address.href;
}
