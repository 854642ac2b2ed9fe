import { expect, test } from "vitest";

import { personOf, personNamed } from "../src/people";

test("somebody's colour follows from who they are, whatever they claim", () => {
  const honest = personOf(1, { user: { id: "1", name: "Ann", role: "user" } });
  const styled = personOf(2, { user: { id: "1", name: "Ann", color: "red;position:fixed" } });

  expect(styled.colour).toBe(honest.colour);
});

test.each([null, 7, {}, { user: null }, { user: { name: 7 } }])(
  "a presence state of %j is somebody without a name",
  (state) => {
    expect(personOf(3, state)).toMatchObject({ id: "client 3", name: "Somebody" });
  },
);

test("an endless name is cut", () => {
  expect(personOf(1, { user: { name: "x".repeat(5000) } }).name).toHaveLength(41);
});

test("an entry of the room's participants is somebody, whatever it holds", () => {
  expect(personNamed("1", { id: "2", name: "Ann", role: "agent" })).toMatchObject({
    id: "1",
    name: "Ann",
    role: "agent",
  });
  expect(personNamed("1", null)).toMatchObject({ id: "1", name: "Somebody" });
});
