/** How people are shown: as badges beside a document's name, and as the list of the room. */

import { initialsOf } from "./colours";
import { badge, element } from "./dom";
import type { Person } from "./people";

/** The row of badges beside the document's name. */
export function showHere(list: HTMLElement, people: readonly Person[], me: string): void {
  const items = people.map((somebody) => {
    const label = somebody.id === me ? `${somebody.name} (you)` : somebody.name;
    const round = badge(initialsOf(somebody.name), somebody.colour);
    return element("li", { title: label }, round, element("span", { class: "hidden" }, label));
  });
  list.replaceChildren(...items);
}

/** The room's people. */
export function showRoom(list: HTMLElement, people: readonly Person[], me: string): void {
  list.replaceChildren(...people.map((somebody) => {
    const name = element("span", { class: "person", title: somebody.name }, somebody.name);
    if (somebody.id === me) name.append(element("span", { class: "quiet" }, " (you)"));
    const item = element("li", {}, badge(initialsOf(somebody.name), somebody.colour), name);
    if (somebody.role !== "" && somebody.role !== "user") {
      item.append(element("span", { class: "tag" }, somebody.role));
    }
    return item;
  }));
}
