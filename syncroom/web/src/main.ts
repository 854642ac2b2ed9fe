/** Where the page starts: the room that the address names, or the form that asks for one. */

import "./style.css";

import { byId } from "./dom";
import { formatFragment, parseFragment, roomOf, type Place } from "./fragment";
import { showJoinForm } from "./joinform";
import { Session } from "./session";

let session: Session | null = null;

function join(place: Place): void {
  byId("join", HTMLElement).hidden = true;
  byId("room", HTMLElement).hidden = false;
  session = new Session(place, { onPlace: writeAddress, onRefused: refuse });
}

function writeAddress(place: Place): void {
  const before = parseFragment(location.hash)?.path ?? null;
  // The first document opens without leaving a step for the back button.
  const isStep = before !== null && before !== place.path;
  history[isStep ? "pushState" : "replaceState"](null, "", formatFragment(place));
}

function refuse(place: Place, reason: string): void {
  session = null;
  byId("room", HTMLElement).hidden = true;
  ask(place.room, reason);
}

function ask(room: string, problem: string): void {
  showJoinForm(room, problem, (place) => {
    history.pushState(null, "", formatFragment(place));
    location.reload();
  });
}

function watchMenu(): void {
  const button = byId("menu", HTMLButtonElement);
  const body = document.body;
  button.addEventListener("click", () => body.classList.toggle("menu-open"));
  byId("shade", HTMLElement).addEventListener("click", () => body.classList.remove("menu-open"));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") body.classList.remove("menu-open");
  });
  new MutationObserver(() => {
    button.setAttribute("aria-expanded", String(body.classList.contains("menu-open")));
  }).observe(body, { attributes: true, attributeFilter: ["class"] });
}

window.addEventListener("hashchange", () => {
  const place = parseFragment(location.hash);
  // Another room or token is another page: nothing of this one should remain.
  if (place === null || session === null || !session.follow(place)) location.reload();
});

watchMenu();
const place = parseFragment(location.hash);
if (place === null) ask(roomOf(location.hash), "");
else join(place);
