import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SilentOut } from "./voice-out";

describe("SilentOut", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("reports the end when the words would have been spoken", () => {
    const played: [number, number][] = [];
    const out = new SilentOut(
      (...report) => played.push(report),
      () => Date.now(),
    );
    out.start(1, 0);
    vi.advanceTimersByTime(400);
    out.finish(1, 1_000);
    vi.advanceTimersByTime(599);
    expect(played).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(played).toEqual([[1, 1_000]]);
  });

  it("answers a clear with the time that passed, and an unknown one with nothing played", () => {
    const played: [number, number][] = [];
    const out = new SilentOut(
      (...report) => played.push(report),
      () => Date.now(),
    );
    out.start(2, 300);
    vi.advanceTimersByTime(250);
    out.clear(2);
    out.clear(2);
    expect(played).toEqual([
      [2, 550],
      [2, 0],
    ]);
  });
});
