import { expect, test } from "vitest";

import { Spans } from "../src/spans";

test("what is added in pieces goes when it is removed at once", () => {
  const spans = new Spans();
  spans.add(1, 0, 2);
  spans.add(1, 4, 6);
  spans.add(1, 2, 4);

  spans.remove(1, 0, 6);
  expect(spans.isEmpty).toBe(true);
});

test("a hole in the middle leaves both ends", () => {
  const spans = new Spans();
  spans.add(1, 0, 10);
  spans.remove(1, 3, 7);
  spans.remove(1, 0, 3);

  expect(spans.isEmpty).toBe(false);
  spans.remove(1, 7, 10);
  expect(spans.isEmpty).toBe(true);
});

test("clients do not touch each other's spans", () => {
  const spans = new Spans();
  spans.add(1, 0, 5);
  spans.remove(2, 0, 5);

  expect(spans.isEmpty).toBe(false);
});

test("an empty range adds and removes nothing", () => {
  const spans = new Spans();
  spans.add(1, 3, 3);

  expect(spans.isEmpty).toBe(true);
  spans.add(1, 0, 5);
  spans.remove(1, 2, 2);
  expect(spans.isEmpty).toBe(false);
});

test("any mix of additions and removals is what a set of numbers says", () => {
  let seed = 11;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < 200; round++) {
    const spans = new Spans();
    const numbers = new Set<number>();
    for (let step = 0; step < 12; step++) {
      const from = random(12);
      const to = from + random(6);
      const adds = random(2) === 0;
      if (adds) spans.add(1, from, to);
      else spans.remove(1, from, to);
      for (let one = from; one < to; one++) {
        if (adds) numbers.add(one);
        else numbers.delete(one);
      }
    }
    expect(spans.isEmpty).toBe(numbers.size === 0);
    for (const one of numbers) spans.remove(1, one, one + 1);
    expect(spans.isEmpty).toBe(true);
  }
});
