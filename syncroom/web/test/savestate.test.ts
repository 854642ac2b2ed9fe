import { expect, test } from "vitest";

import { describe } from "../src/savestate";

test("the page says “Saved” only when connected with nothing unsaved", () => {
  const calm = { phase: "connected", loaded: true, unsaved: false, reason: null } as const;

  expect(describe(calm, true).text).toBe("Saved");
  expect(describe({ ...calm, unsaved: true }, true).text).toBe("Saving…");
  expect(describe({ ...calm, unsaved: true, reason: "disk full" }, true).text).toBe("Not saved");
  expect(describe(calm, false).text).toBe("Live");
  expect(describe({ ...calm, phase: "offline" }, true).text).not.toContain("Saved");
  expect(describe({ ...calm, phase: "offline", unsaved: true }, true).text).toContain(
    "not saved",
  );
  expect(describe({ ...calm, phase: "refused", unsaved: true }, true).text).toContain(
    "not saved",
  );
});
