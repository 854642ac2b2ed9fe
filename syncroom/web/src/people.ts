/** Who is who: what the page knows of a participant, from an awareness state or from the room. */

import type { Awareness } from "y-protocols/awareness";

import { fieldOf, readParticipant, type Participant } from "./api";
import { colourOf } from "./colours";

const NAME_LENGTH_MAX = 40;

export interface Person extends Participant {
  readonly colour: string;
}

function person(id: string, name: string, role: string): Person {
  const known = Array.from(name.trim());
  const short = known.length > NAME_LENGTH_MAX
    ? known.slice(0, NAME_LENGTH_MAX).join("") + "…"
    : known.join("");
  return { id, name: short || "Somebody", role, colour: colourOf(id) };
}

/** Whose awareness state this is; the server writes id, name and role into its `user`. */
export function personOf(client: number, state: unknown): Person {
  const { id, name, role } = readParticipant(fieldOf(state, "user"));
  return person(id || name || `client ${client}`, name, role);
}

/** The people whose awareness states a document holds, each once, however many tabs they have. */
export function peopleIn(awareness: Awareness): readonly Person[] {
  const found = new Map<string, Person>();
  for (const [client, state] of awareness.getStates()) {
    const somebody = personOf(client, state);
    found.set(somebody.id, somebody);
  }
  return [...found.values()].sort(byName);
}

/** Whom an entry of `.room/participants` means. */
export function personNamed(id: string, value: unknown): Person {
  const { name, role } = readParticipant(value);
  return person(id, name, role);
}

export function byName(one: Person, other: Person): number {
  return one.name.localeCompare(other.name) || one.id.localeCompare(other.id);
}
