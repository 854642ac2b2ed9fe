/** The one question that the page asks over HTTP: what is in this room, and what may I do? */

export interface Participant {
  readonly id: string;
  readonly name: string;
  readonly role: string;
}

export interface DocumentEntry {
  readonly path: string;
  readonly mayWrite: boolean;
  readonly changedMs: number | null;
}

export interface Listing {
  readonly participant: Participant;
  readonly documents: readonly DocumentEntry[];
  readonly mayListParticipants: boolean;
}

/** The server answered, and the answer is no. */
export class Refusal extends Error {}

/** There was no answer that says anything; asking again later may help. */
export class NoAnswer extends Error {}

export async function listDocuments(room: string, token: string): Promise<Listing> {
  const address = new URL(`api/rooms/${encodeURIComponent(room)}/documents`, document.baseURI);
  const headers = { Authorization: `Bearer ${token}` };
  const { status, body } = await ask(address, headers);
  if (status === 200) return readListing(body);
  const message = textAt(objectAt(body, "error"), "message");
  if (status >= 400 && status < 500 && status !== 429) {
    throw new Refusal(message || `The server refused (${status}).`);
  }
  throw new NoAnswer(message || `The server answered ${status}.`);
}

async function ask(address: URL, headers: HeadersInit): Promise<{ status: number; body: unknown }> {
  try {
    const answer = await fetch(address, { headers, cache: "no-store" });
    const body: unknown = await answer.json().catch(() => null);
    return { status: answer.status, body };
  } catch {
    throw new NoAnswer("The server does not answer.");
  }
}

export function readListing(body: unknown): Listing {
  const documents = fieldOf(body, "documents");
  if (!Array.isArray(documents)) throw new NoAnswer("The server's answer makes no sense.");
  return {
    participant: readParticipant(objectAt(body, "participant")),
    documents: documents.map(readDocument),
    mayListParticipants: fieldOf(body, "may_list_participants") === true,
  };
}

export function readParticipant(value: unknown): Participant {
  return { id: textAt(value, "id"), name: textAt(value, "name"), role: textAt(value, "role") };
}

function readDocument(value: unknown): DocumentEntry {
  const changed = fieldOf(value, "changed_ms");
  return {
    path: textAt(value, "path"),
    mayWrite: fieldOf(value, "may_write") === true,
    changedMs: typeof changed === "number" ? changed : null,
  };
}

/** A field of what should be a JSON object, or undefined. */
export function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Record<string, unknown>)[name];
}

function objectAt(value: unknown, name: string): unknown {
  return fieldOf(value, name) ?? {};
}

function textAt(value: unknown, name: string): string {
  const text = fieldOf(value, name);
  return typeof text === "string" ? text : "";
}
