/** Paths of documents, as far as the page must know them; the server has the last word. */

export class PathProblem extends Error {}

/** The path that the server will make of what somebody typed. */
export function cleanPath(typed: string): string {
  const segments = typed
    .normalize("NFC")
    .trim()
    .split("/")
    .filter((segment) => segment !== "" && segment !== ".");
  if (segments.length === 0) throw new PathProblem("Give the document a name.");
  if (segments.includes("..")) throw new PathProblem("A path cannot hold “..”.");
  // Control characters and backslashes are refused by the server too; here the answer is at once.
  if (/[\u0000-\u001f\u007f\\]/.test(typed)) {
    throw new PathProblem("A path cannot hold backslashes or control characters.");
  }
  if (segments[0]?.toLowerCase() === ".room") {
    throw new PathProblem("Paths below “.room” belong to the server.");
  }
  return segments.join("/");
}

/** A path inside an address: each segment escaped, the slashes kept. */
export function escapePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

/** The folder, with its slash, and the name in it. */
export function splitPath(path: string): readonly [folder: string, name: string] {
  const slash = path.lastIndexOf("/") + 1;
  return [path.slice(0, slash), path.slice(slash)];
}

export function isMarkdown(path: string): boolean {
  return /\.(md|markdown)$/i.test(path);
}
