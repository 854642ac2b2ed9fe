/** The room's own document of participants, watched live. */

import { Link } from "./link";
import { byName, personNamed, type Person } from "./people";

/** Tells who is in the room, now and at every change. Returns what ends the watch. */
export function watchRoom(
  room: string,
  token: string,
  onPeople: (people: readonly Person[]) => void,
): () => void {
  const link = new Link(room, ".room/participants", token, ({ phase }) => {
    // While the connection is away, nobody knows who comes and goes.
    if (phase === "connected") tell();
    else onPeople([]);
  });
  const participants = link.doc.getMap<unknown>("participants");
  const tell = (): void => {
    const people = [...participants.entries()].map(([id, value]) => personNamed(id, value));
    onPeople(people.sort(byName));
  };
  participants.observe(tell);
  // Nobody is looking for this page's presence in the room's own document.
  link.provider.awareness.setLocalState(null);
  link.open();
  return () => link.close();
}
