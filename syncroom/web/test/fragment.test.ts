import { expect, test } from "vitest";

import { formatFragment, parseFragment, roomOf, tokenFrom } from "../src/fragment";

test("a link names a room, a token and perhaps a document", () => {
  expect(parseFragment("#room=demo&token=a.b.c")).toEqual({
    room: "demo",
    token: "a.b.c",
    path: null,
  });
  expect(parseFragment("#room=demo&token=a.b.c&path=notes/today.md")).toEqual({
    room: "demo",
    token: "a.b.c",
    path: "notes/today.md",
  });
});

test("without a room or without a token there is no place to go", () => {
  expect(parseFragment("")).toBeNull();
  expect(parseFragment("#room=demo")).toBeNull();
  expect(parseFragment("#room=demo&token=")).toBeNull();
  expect(parseFragment("#token=a.b.c")).toBeNull();
});

test("a room without a token still fills in the form", () => {
  expect(roomOf("#room=demo")).toBe("demo");
  expect(roomOf("")).toBe("");
});

test.each(["notes.md", "a b/c&d=e.md", "тетрадь/日記 100%.md", "a+b#c.md"])(
  "the path %s survives the address bar",
  (path) => {
    const place = { room: "ops & design", token: "a.b-c_d", path };

    expect(parseFragment(formatFragment(place))).toEqual(place);
  },
);

test("slashes stay readable in the address bar", () => {
  expect(formatFragment({ room: "demo", token: "t", path: "a/b.md" })).toBe(
    "#room=demo&token=t&path=a/b.md",
  );
});

test("the token field takes a token or a whole link", () => {
  expect(tokenFrom("  a.b.c\n")).toBe("a.b.c");
  expect(tokenFrom("http://host:8420/#room=demo&token=a.b.c")).toBe("a.b.c");
});
