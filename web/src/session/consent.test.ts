import { expect, test } from "vitest";
import { wordingOf } from "./consent";

test("what is written down is what stood on the choice, and fits the server's limit", () => {
  expect(wordingOf("record", true)).toBe(
    "Talk, and record the call. The audio is kept for quality and training. Say “stop recording”, or press the sign, at any time.",
  );
  expect(wordingOf("record", false)).toContain("This server keeps none");
  for (const mode of ["record", "talk", "type"] as const) {
    expect(wordingOf(mode, true).length).toBeLessThan(1_000);
  }
});
