import { expect, test } from "vitest";

import { sentence } from "../src/words";

test.each([
  ["the token has expired", "The token has expired."],
  ["Not here!", "Not here!"],
  ["", ""],
])("%j is said as %j", (reason, said) => {
  expect(sentence(reason)).toBe(said);
});
