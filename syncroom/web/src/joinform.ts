/** The form for those who come without a token. */

import { byId } from "./dom";
import { tokenFrom, type Place } from "./fragment";

export function showJoinForm(room: string, problem: string, onJoin: (place: Place) => void): void {
  const section = byId("join", HTMLElement);
  const form = byId("join-form", HTMLFormElement);
  const roomField = byId("join-room", HTMLInputElement);
  const tokenField = byId("join-token", HTMLTextAreaElement);
  const explanation = byId("join-problem", HTMLParagraphElement);
  roomField.value = room;
  explanation.textContent = problem;
  explanation.hidden = problem === "";
  section.hidden = false;
  (room === "" ? roomField : tokenField).focus();
  form.onsubmit = (event) => {
    event.preventDefault();
    const token = tokenFrom(tokenField.value);
    onJoin({ room: roomField.value.trim(), token, path: null });
  };
}
