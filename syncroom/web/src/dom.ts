/** The few lines of DOM that the views share. */

type Child = Node | string;

/** Finds an element of index.html, which is broken if it is not there. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} "${id}"`);
  return found;
}

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A round badge with somebody's initials, in their colour. */
export function badge(initials: string, colour: string): HTMLElement {
  const made = element("span", { class: "badge", "aria-hidden": "true" }, initials);
  made.style.setProperty("--person", colour);
  return made;
}

/** An icon from the sheet in index.html. */
export function icon(name: string): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const made = document.createElementNS(space, "svg");
  made.setAttribute("class", "icon");
  made.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#icon-${name}`);
  made.append(use);
  return made;
}
