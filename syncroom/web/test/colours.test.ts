import { expect, test } from "vitest";

import { colourOf, initialsOf, PALETTE } from "../src/colours";

function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light! + 0.05) / (dark! + 0.05);
}

test("a participant has the same colour everywhere and always", () => {
  expect(colourOf("7d1c4d7e-ann")).toBe(colourOf("7d1c4d7e-ann"));
});

test("a hundred participants get every colour of the palette", () => {
  const colours = Array.from({ length: 100 }, (_, number) => colourOf(`participant ${number}`));

  expect(new Set(colours)).toEqual(new Set(PALETTE));
});

test.each(PALETTE)("%s carries white text, and stands out in light and in dark", (colour) => {
  expect(contrast(colour, "#ffffff")).toBeGreaterThanOrEqual(4.5);
  expect(contrast(colour, "#1e2024")).toBeGreaterThanOrEqual(3);
});

test.each([
  ["Ann", "A"],
  ["Ann Okafor", "AO"],
  ["release-agent", "RA"],
  ["Ada Maria de Souza", "AS"],
  ["  ", "?"],
  ["😀 smile", "😀S"],
])("%j is shown as %j", (name, initials) => {
  expect(initialsOf(name)).toBe(initials);
});
