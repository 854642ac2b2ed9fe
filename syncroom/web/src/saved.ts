/**
 * What this page has written and the server has not yet confirmed to be on disk.
 *
 * The server sends a writer its own updates back once they are stored. It may join several updates
 * into one, leaves out what it knew already, and after a reconnect the same edits travel in a sync
 * step 2 of other bytes. So what counts is not which bytes come back but which insertions and
 * deletions they hold: an edit is confirmed by an update from the server that holds it. An insertion
 * is also confirmed by a later one of the same client, and by a state vector of the server's that
 * reaches past it: nothing is stored before what it builds on. The server sends that vector once
 * what it says is on disk, and with it the sync step 2 that came before.
 */

import { decodeStateVector, decodeUpdate, Skip } from "yjs";

import { Spans } from "./spans";

export class Unsaved {
  readonly #inserted = new Spans();
  readonly #deleted = new Spans();
  #answer: Uint8Array | null = null;

  get isEmpty(): boolean {
    return this.#inserted.isEmpty && this.#deleted.isEmpty;
  }

  /** This page made this update. */
  wrote(update: Uint8Array): void {
    const { structs, ds } = decodeUpdate(update);
    for (const { id, length } of structs) this.#inserted.add(id.client, id.clock, id.clock + length);
    for (const [client, items] of ds.clients) {
      for (const { clock, len } of items) this.#deleted.add(client, clock, clock + len);
    }
  }

  /** The server answered with this, which need not be on its disk yet. */
  answered(update: Uint8Array): void {
    this.#answer = update;
  }

  /** The server sent this update. */
  confirmed(update: Uint8Array): void {
    if (this.isEmpty) return;
    const { structs, ds } = decodeUpdate(update);
    for (const struct of structs) {
      if (struct instanceof Skip) continue;
      this.#inserted.remove(struct.id.client, 0, struct.id.clock + struct.length);
    }
    for (const [client, items] of ds.clients) {
      for (const { clock, len } of items) this.#deleted.remove(client, clock, clock + len);
    }
  }

  /** The server said in its sync step 1 what it has on disk. */
  known(stateVector: Uint8Array): void {
    if (this.#answer !== null) this.confirmed(this.#answer);
    this.#answer = null;
    if (this.#inserted.isEmpty) return;
    for (const [client, clock] of decodeStateVector(stateVector)) {
      this.#inserted.remove(client, 0, clock);
    }
  }
}
