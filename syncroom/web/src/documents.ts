/** The room's documents: the list, and the field that makes a new one. */

import type { DocumentEntry } from "./api";
import { byId, element, icon } from "./dom";
import { cleanPath, PathProblem, splitPath } from "./paths";

export class DocumentList {
  readonly #list = byId("documents", HTMLUListElement);
  readonly #empty = byId("documents-empty", HTMLParagraphElement);
  readonly #form = byId("new-document", HTMLFormElement);
  readonly #field = byId("new-path", HTMLInputElement);
  readonly #problem = byId("new-problem", HTMLParagraphElement);
  readonly #onOpen: (path: string) => void;
  #shown = "";

  constructor(onOpen: (path: string) => void) {
    this.#onOpen = onOpen;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#create();
    });
    this.#field.addEventListener("input", () => this.#explain(""));
    this.#list.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      const path = button?.dataset["path"];
      if (path !== undefined) this.#onOpen(path);
    });
  }

  /** Draws the list; the keyboard's focus stays on the document that it was on. */
  show(entries: readonly DocumentEntry[], current: string | null): void {
    const shown = JSON.stringify([entries, current]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const focused = document.activeElement;
    const path = focused instanceof HTMLElement ? focused.dataset["path"] : undefined;
    this.#empty.hidden = entries.length > 0;
    this.#list.replaceChildren(...entries.map((entry) => row(entry, current)));
    if (path === undefined) return;
    const buttons = [...this.#list.querySelectorAll("button")];
    buttons.find((button) => button.dataset["path"] === path)?.focus();
  }

  askForName(): void {
    this.#field.focus();
  }

  #create(): void {
    try {
      const path = cleanPath(this.#field.value);
      this.#field.value = "";
      this.#onOpen(path);
    } catch (problem) {
      if (!(problem instanceof PathProblem)) throw problem;
      this.#explain(problem.message);
    }
  }

  #explain(problem: string): void {
    this.#problem.textContent = problem;
    this.#problem.hidden = problem === "";
    this.#field.setAttribute("aria-invalid", String(problem !== ""));
  }
}

function row(entry: DocumentEntry, current: string | null): HTMLLIElement {
  const [folder, name] = splitPath(entry.path);
  const label = element("span", { class: "path" }, element("span", { class: "quiet" }, folder), name);
  const button = element("button", { type: "button", title: entry.path }, icon("document"), label);
  button.dataset["path"] = entry.path;
  if (entry.path === current) button.setAttribute("aria-current", "page");
  if (!entry.mayWrite) {
    button.append(icon("lock"), element("span", { class: "hidden" }, ", read only"));
  }
  return element("li", {}, button);
}
