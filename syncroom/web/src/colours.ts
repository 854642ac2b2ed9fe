/**
 * A colour for each person, the same in every browser and at every visit.
 *
 * The colour follows from the participant's id and never from what a peer sends, so that nobody
 * can put styles of their own on other people's screens.
 */

// Each carries white text at a contrast of 4.5, and stands out from white and from the dark page
// at 3. Neighbours on the colour wheel that people would confuse are left out.
export const PALETTE = [
  "#2969e7", "#c54610", "#0a7f68", "#9148e5", "#d1257b", "#5f7a0e", "#a0630d", "#bc2fbc", "#60728a",
] as const;

export function colourOf(id: string): string {
  return PALETTE[hash(id) % PALETTE.length] ?? PALETTE[0];
}

/** One or two letters for a round badge. */
export function initialsOf(name: string): string {
  const words = name.trim().split(/[\s._-]+/).filter((word) => word !== "");
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => Array.from(word ?? "?")[0]).join("").toUpperCase();
}

/** FNV-1a, 32 bits, finished with a mix so that near ids land far apart. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    value = Math.imul(value ^ byte, 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x45d9f3b);
  return (value ^ (value >>> 16)) >>> 0;
}
