import { expect, test } from "vitest";

import { cleanPath, escapePath, isMarkdown, PathProblem, splitPath } from "../src/paths";

test.each([
  ["notes.md", "notes.md"],
  ["  ./notes//today.md ", "notes/today.md"],
  ["/a/./b", "a/b"],
  ["cafe\u0301.md", "caf\u00e9.md"],
])("%j becomes %j", (typed, path) => {
  expect(cleanPath(typed)).toBe(path);
});

test.each(["", "  ", "/", "./.", "../x", "a/../b", "a\\b", "a\u0000b", ".room/x", ".ROOM"])(
  "%j is refused with a sentence",
  (typed) => {
    expect(() => cleanPath(typed)).toThrow(PathProblem);
  },
);

test("an address keeps the slashes of a path and escapes everything else", () => {
  expect(escapePath("a b/c?d#e%.md")).toBe("a%20b/c%3Fd%23e%25.md");
});

test("a path is shown as a folder and a name", () => {
  expect(splitPath("a/b/c.md")).toEqual(["a/b/", "c.md"]);
  expect(splitPath("c.md")).toEqual(["", "c.md"]);
});

test("Markdown is told by the end of the name", () => {
  expect(isMarkdown("a/README.MD")).toBe(true);
  expect(isMarkdown("md")).toBe(false);
  expect(isMarkdown("a.md/plain.txt")).toBe(false);
});
