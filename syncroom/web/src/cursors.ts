/**
 * The cursors and selections of the others in a document, each with a name, and the report of ours.
 *
 * Positions travel in the awareness field `cursor` as relative positions, the form that every
 * y-codemirror editor reads and writes. Colours come from the participant's id and not from what
 * a peer says they are: a colour ends up in a style attribute.
 */

import { StateEffect, type Extension } from "@codemirror/state";
import {
  Decoration,
  EditorView,
  ViewPlugin,
  WidgetType,
  type DecorationSet,
  type PluginValue,
  type ViewUpdate,
} from "@codemirror/view";
import type { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";

import { fieldOf } from "./api";
import { personOf } from "./people";

interface AwarenessChange {
  readonly added: readonly number[];
  readonly updated: readonly number[];
  readonly removed: readonly number[];
}

interface Cursor {
  readonly client: number;
  readonly anchor: number;
  readonly head: number;
  /** Changes when its owner moves it, not when text before it changes. */
  readonly place: string;
  readonly name: string;
  readonly colour: string;
}

const redraw = StateEffect.define<null>();

class Caret extends WidgetType {
  readonly #cursor: Cursor;

  constructor(cursor: Cursor) {
    super();
    this.#cursor = cursor;
  }

  /** A caret whose owner moved is drawn anew, which shows its name again for a while. */
  override eq(other: Caret): boolean {
    const [mine, theirs] = [this.#cursor, other.#cursor];
    return mine.client === theirs.client && mine.place === theirs.place
      && mine.name === theirs.name && mine.colour === theirs.colour;
  }

  toDOM(): HTMLElement {
    const caret = document.createElement("span");
    caret.className = "caret";
    caret.setAttribute("aria-hidden", "true");
    caret.style.setProperty("--person", this.#cursor.colour);
    const label = document.createElement("span");
    label.className = "caret-name";
    label.textContent = this.#cursor.name;
    // Word joiners on both sides keep a line from breaking between the caret and its letter.
    caret.append("\u2060", label, "\u2060");
    return caret;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

class Cursors implements PluginValue {
  decorations: DecorationSet;
  readonly #text: Y.Text;
  readonly #awareness: Awareness;
  readonly #listen: (change: AwarenessChange) => void;

  constructor(view: EditorView, text: Y.Text, awareness: Awareness) {
    this.#text = text;
    this.#awareness = awareness;
    this.#listen = ({ added, updated, removed }) => {
      const others = [...added, ...updated, ...removed].some((id) => id !== awareness.clientID);
      if (others) view.dispatch({ effects: redraw.of(null) });
    };
    awareness.on("change", this.#listen);
    this.decorations = this.#draw(view.state.doc.length);
  }

  update(update: ViewUpdate): void {
    if (update.docChanged || update.selectionSet || update.focusChanged) this.#tell(update.view);
    const moved = update.transactions.some((one) => one.effects.some((any) => any.is(redraw)));
    if (update.docChanged || moved) this.decorations = this.#draw(update.state.doc.length);
  }

  destroy(): void {
    this.#awareness.off("change", this.#listen);
  }

  /** Tells the others where our cursor is; it stays where it was when the focus leaves. */
  #tell(view: EditorView): void {
    if (!view.hasFocus) return;
    const { anchor, head } = view.state.selection.main;
    const cursor = { anchor: this.#relative(anchor), head: this.#relative(head) };
    const told: unknown = fieldOf(this.#awareness.getLocalState(), "cursor");
    if (JSON.stringify(told) === JSON.stringify(cursor)) return;
    this.#awareness.setLocalStateField("cursor", cursor);
  }

  #relative(index: number): unknown {
    return Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(this.#text, index));
  }

  #draw(length: number): DecorationSet {
    const ranges = [];
    for (const [client, state] of this.#awareness.getStates()) {
      const cursor = client === this.#awareness.clientID ? null : this.#read(client, state);
      if (cursor === null) continue;
      const anchor = Math.min(cursor.anchor, length);
      const head = Math.min(cursor.head, length);
      if (anchor !== head) {
        const attributes = { style: `--person: ${cursor.colour}` };
        const mark = Decoration.mark({ class: "remote-selection", attributes });
        ranges.push(mark.range(Math.min(anchor, head), Math.max(anchor, head)));
      }
      const side = head > anchor ? -1 : 1;
      ranges.push(Decoration.widget({ side, widget: new Caret(cursor) }).range(head));
    }
    return Decoration.set(ranges, true);
  }

  #read(client: number, state: unknown): Cursor | null {
    const cursor = fieldOf(state, "cursor");
    const anchor = this.#absolute(fieldOf(cursor, "anchor"));
    const head = this.#absolute(fieldOf(cursor, "head"));
    if (anchor === null || head === null) return null;
    const { name, colour } = personOf(client, state);
    return { client, anchor, head, place: JSON.stringify(cursor), name, colour };
  }

  /** The index of a peer's position in our text; null for whatever is none. */
  #absolute(position: unknown): number | null {
    if (typeof position !== "object" || position === null || this.#text.doc === null) return null;
    try {
      const relative = Y.createRelativePositionFromJSON(position);
      const found = Y.createAbsolutePositionFromRelativePosition(relative, this.#text.doc);
      return found?.type === this.#text ? found.index : null;
    } catch {
      return null;
    }
  }
}

export function cursors(text: Y.Text, awareness: Awareness): Extension {
  return ViewPlugin.define((view) => new Cursors(view, text, awareness), {
    decorations: (plugin) => plugin.decorations,
  });
}
