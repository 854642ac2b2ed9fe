import { expect, test } from "vitest";

import { NoAnswer, readListing } from "../src/api";

test("the server's listing is read field by field", () => {
  const listing = readListing({
    room: "demo",
    participant: { id: "1", name: "Ann", role: "user" },
    documents: [{ path: "a.md", may_write: true, changed_ms: 5, bytes: 9, open: 1 }],
    may_list_participants: true,
  });

  expect(listing).toEqual({
    participant: { id: "1", name: "Ann", role: "user" },
    documents: [{ path: "a.md", mayWrite: true, changedMs: 5 }],
    mayListParticipants: true,
  });
});

test.each([null, "text", {}, { documents: {} }])("an answer of %j is none", (body) => {
  expect(() => readListing(body)).toThrow(NoAnswer);
});

test("what a listing does not say is not granted", () => {
  const listing = readListing({ documents: [{ path: "a.md" }] });

  expect(listing.mayListParticipants).toBe(false);
  expect(listing.documents[0]?.mayWrite).toBe(false);
});
