import { describe, expect, test } from "vitest";
import { applyUpdate, Doc, encodeStateAsUpdate, encodeStateVector, mergeUpdates } from "yjs";

import { Unsaved } from "../src/saved";

/** A document as the page has it, and what it has told the server of. */
function writer(): { doc: Doc; unsaved: Unsaved; sent: Uint8Array[] } {
  const doc = new Doc();
  const unsaved = new Unsaved();
  const sent: Uint8Array[] = [];
  doc.on("update", (update: Uint8Array, origin: unknown) => {
    if (origin === "server") return;
    unsaved.wrote(update);
    sent.push(update);
  });
  return { doc, unsaved, sent };
}

function type(doc: Doc, index: number, text: string): void {
  doc.getText("content").insert(index, text);
}

describe("while connected", () => {
  test("nothing written is nothing unsaved", () => {
    expect(new Unsaved().isEmpty).toBe(true);
  });

  test("an edit is unsaved until its echo comes", () => {
    const { doc, unsaved, sent } = writer();
    type(doc, 0, "a");

    expect(unsaved.isEmpty).toBe(false);
    unsaved.confirmed(sent[0]!);
    expect(unsaved.isEmpty).toBe(true);
  });

  test("one echo of two leaves the other unsaved, in any order", () => {
    const { doc, unsaved, sent } = writer();
    type(doc, 0, "first");
    type(doc, 5, "second");
    doc.getText("content").delete(2, 1);

    unsaved.confirmed(sent[2]!);
    unsaved.confirmed(sent[0]!);
    expect(unsaved.isEmpty).toBe(false);
    unsaved.confirmed(sent[1]!);
    expect(unsaved.isEmpty).toBe(true);
  });

  test("the echo of a later insertion confirms the earlier ones, but no deletion", () => {
    const { doc, unsaved, sent } = writer();
    type(doc, 0, "first");
    type(doc, 5, "second");
    unsaved.confirmed(sent[1]!);
    expect(unsaved.isEmpty).toBe(true);

    doc.getText("content").delete(2, 1);
    type(doc, 0, "third");
    unsaved.confirmed(sent[3]!);
    expect(unsaved.isEmpty).toBe(false);
  });

  test("a deletion that somebody else made too is confirmed by theirs", () => {
    const { doc, unsaved, sent } = writer();
    const other = new Doc();
    type(doc, 0, "abc");
    unsaved.confirmed(sent[0]!);
    applyUpdate(other, sent[0]!);
    doc.getText("content").delete(1, 1);
    other.getText("content").delete(0, 3);

    unsaved.confirmed(encodeStateAsUpdate(other, encodeStateVector(doc)));
    expect(unsaved.isEmpty).toBe(true);
  });

  test("an echo that joins several updates confirms them all", () => {
    const { doc, unsaved, sent } = writer();
    for (const letter of "hello") type(doc, 0, letter);
    doc.getText("content").delete(0, 3);

    unsaved.confirmed(mergeUpdates(sent));
    expect(unsaved.isEmpty).toBe(true);
  });

  test("a deletion is unsaved by itself", () => {
    const { doc, unsaved, sent } = writer();
    type(doc, 0, "abc");
    unsaved.confirmed(sent[0]!);
    doc.getText("content").delete(1, 1);

    expect(unsaved.isEmpty).toBe(false);
    unsaved.confirmed(sent[1]!);
    expect(unsaved.isEmpty).toBe(true);
  });

  test("what others write confirms nothing of ours", () => {
    const { doc, unsaved } = writer();
    const other = new Doc();
    type(other, 0, "theirs");
    type(doc, 0, "ours");

    unsaved.confirmed(encodeStateAsUpdate(other));
    unsaved.known(encodeStateVector(other));
    expect(unsaved.isEmpty).toBe(false);
  });
});

describe("after a reconnect", () => {
  test("the server's answer confirms a deletion whose echo was lost, when its state vector has come", () => {
    const { doc, unsaved, sent } = writer();
    const server = new Doc();
    type(doc, 0, "abc");
    doc.getText("content").delete(1, 1);
    for (const update of sent) applyUpdate(server, update);

    unsaved.answered(encodeStateAsUpdate(server, encodeStateVector(doc)));
    expect(unsaved.isEmpty).toBe(false);
    unsaved.known(encodeStateVector(server));
    expect(unsaved.isEmpty).toBe(true);
  });

  test("the server's state vector confirms an insertion whose echo was lost", () => {
    const { doc, unsaved } = writer();
    type(doc, 0, "arrived");

    unsaved.known(encodeStateVector(doc));
    expect(unsaved.isEmpty).toBe(true);
  });

  test("a state vector that ends before the newest insertion leaves that unsaved", () => {
    const { doc, unsaved } = writer();
    type(doc, 0, "arrived");
    const before = encodeStateVector(doc);
    type(doc, 0, "lost");

    unsaved.known(before);
    expect(unsaved.isEmpty).toBe(false);
  });

  test("the echo of our sync step 2 confirms what was written offline", () => {
    const { doc, unsaved } = writer();
    const server = new Doc();
    type(doc, 0, "written far from any network");
    doc.getText("content").delete(7, 4);

    unsaved.known(encodeStateVector(server));
    unsaved.confirmed(encodeStateAsUpdate(server, encodeStateVector(doc)));
    expect(unsaved.isEmpty).toBe(false);
    unsaved.confirmed(encodeStateAsUpdate(doc, encodeStateVector(server)));
    expect(unsaved.isEmpty).toBe(true);
  });
});

test("whatever is written and lost on the way, a sync with a server that has all confirms all", () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < 60; round++) {
    const { doc, unsaved, sent } = writer();
    const server = new Doc();
    const text = doc.getText("content");
    for (let step = 0; step < 40; step++) {
      if (text.length > 4 && random(3) === 0) text.delete(random(text.length - 2), 1 + random(2));
      else type(doc, random(text.length + 1), "word ".slice(0, 1 + random(5)));
      const arrived = random(4) > 0;
      if (arrived && random(2) === 0) unsaved.confirmed(sent.at(-1)!);
    }
    const missed = sent.filter(() => random(3) === 0);
    for (const update of missed) applyUpdate(server, update);
    const before = encodeStateVector(server);

    unsaved.known(before);
    unsaved.confirmed(encodeStateAsUpdate(server, encodeStateVector(doc)));
    unsaved.confirmed(encodeStateAsUpdate(doc, before));

    expect(unsaved.isEmpty).toBe(true);
  }
});
