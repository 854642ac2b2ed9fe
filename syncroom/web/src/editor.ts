/**
 * The editor on one document: the shared text named `content`, with everybody's cursors.
 *
 * Undo takes back only what this page wrote. The text can be edited once the server's content has
 * been here, and stays editable while the connection is away.
 */

import { defaultKeymap } from "@codemirror/commands";
import { search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightSpecialChars,
  keymap,
  placeholder,
} from "@codemirror/view";
import { yCollab, yUndoManagerKeymap } from "y-codemirror.next";
import { UndoManager } from "yjs";

import { cursors } from "./cursors";
import { highlighting, markdown } from "./highlight";
import type { Link } from "./link";
import { isMarkdown } from "./paths";

/** The name of the shared text in every document that this page edits. */
export const TEXT_NAME = "content";

export class Editor {
  readonly #view: EditorView;
  readonly #access = new Compartment();
  #editable = false;

  constructor(parent: HTMLElement, link: Link, path: string) {
    const text = link.doc.getText(TEXT_NAME);
    const { awareness } = link.provider;
    const plain = [
      // Only a line feed ends a line here: with others, CodeMirror and Yjs would count differently.
      EditorState.lineSeparator.of("\n"),
      EditorView.clipboardInputFilter.of((pasted) => pasted.replace(/\r\n?/g, "\n")),
      EditorView.lineWrapping,
      // Reachable by keyboard even where it is read only, to scroll, select and copy.
      EditorView.contentAttributes.of({ "aria-label": path, tabindex: "0" }),
      highlightSpecialChars(),
      drawSelection(),
      search({ top: true }),
      keymap.of([...yUndoManagerKeymap, ...searchKeymap, ...defaultKeymap]),
    ];
    this.#view = new EditorView({
      parent,
      state: EditorState.create({
        doc: text.toString(),
        extensions: [
          plain,
          yCollab(text, null, { undoManager: new UndoManager(text) }),
          cursors(text, awareness),
          isMarkdown(path) ? [markdown, highlighting, prose] : code,
          this.#access.of(access(false)),
        ],
      }),
    });
  }

  set editable(editable: boolean) {
    if (editable === this.#editable) return;
    this.#editable = editable;
    this.#view.dispatch({ effects: this.#access.reconfigure(access(editable)) });
  }

  focus(): void {
    this.#view.focus();
  }

  close(): void {
    this.#view.destroy();
  }
}

const prose = EditorView.editorAttributes.of({ class: "prose" });
const code = EditorView.editorAttributes.of({ class: "code" });

function access(editable: boolean): Extension {
  if (editable) return placeholder("Start writing…");
  return [
    EditorState.readOnly.of(true),
    EditorView.editable.of(false),
    EditorView.contentAttributes.of({ "aria-readonly": "true" }),
  ];
}
