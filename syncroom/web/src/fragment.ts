/** The part of the address after `#`: which room, with which token, at which document. */

export interface Place {
  readonly room: string;
  readonly token: string;
  readonly path: string | null;
}

/** Returns null unless both a room and a token are named. */
export function parseFragment(fragment: string): Place | null {
  const fields = new URLSearchParams(fragment.replace(/^#/, ""));
  const room = fields.get("room")?.trim() ?? "";
  const token = fields.get("token")?.trim() ?? "";
  if (room === "" || token === "") return null;
  return { room, token, path: fields.get("path") || null };
}

/** A room that was named without a token, to fill in the form. */
export function roomOf(fragment: string): string {
  return new URLSearchParams(fragment.replace(/^#/, "")).get("room")?.trim() ?? "";
}

export function formatFragment(place: Place): string {
  const fields = new URLSearchParams({ room: place.room, token: place.token });
  if (place.path !== null) fields.set("path", place.path);
  // Slashes need no escape in a fragment, and paths read better with them.
  return "#" + fields.toString().replaceAll("%2F", "/");
}

/** Accepts what people paste into the token field: a token, or a whole link that holds one. */
export function tokenFrom(text: string): string {
  const pasted = text.trim();
  const hash = pasted.indexOf("#");
  const fragment = hash < 0 ? "" : pasted.slice(hash);
  return parseFragment(fragment)?.token ?? pasted;
}
