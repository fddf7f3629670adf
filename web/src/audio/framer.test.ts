import { describe, expect, it } from "vitest";
import { type CapturedFrame, Framer } from "./framer";
import { fromPcm16, meterLevel, toPcm16 } from "./pcm";

describe("Framer", () => {
  it.each([16_000, 44_100, 48_000])("cuts a second at %i Hz into frames of 320 samples", (rate) => {
    const framer = new Framer(rate);
    const frames: CapturedFrame[] = [];
    for (let at = 0; at < rate; at += 128) {
      const block = Float32Array.from(
        { length: 128 },
        (_, i) => 0.25 * Math.sin((2 * Math.PI * 440 * (at + i)) / rate),
      );
      framer.push([block], (frame) => frames.push(frame));
    }
    expect(frames.length).toBeGreaterThanOrEqual(49);
    expect(frames.length).toBeLessThanOrEqual(50);
    for (const frame of frames) expect(frame.pcm.length).toBe(320);
    expect(frames[20]?.level).toBeCloseTo(0.25 / Math.SQRT2, 2);
  });

  it("mixes channels down without growing louder", () => {
    const framer = new Framer(16_000);
    const frames: CapturedFrame[] = [];
    framer.push([new Float32Array(320).fill(0.5), new Float32Array(320).fill(0.25)], (frame) => frames.push(frame));
    expect(frames[0]?.pcm[100]).toBe(Math.round(0.375 * 32_768));
  });
});

describe("PCM16", () => {
  it("clamps instead of wrapping", () => {
    expect([...toPcm16(Float32Array.of(1.5, 1, -1, -1.5, 0))]).toEqual([32_767, 32_767, -32_768, -32_768, 0]);
  });

  it("survives the way there and back", () => {
    const pcm = Int16Array.of(-32_768, -1, 0, 1, 32_767);
    expect([...toPcm16(fromPcm16(pcm))]).toEqual([...pcm]);
  });

  it("shows quiet and loud on the meter's scale", () => {
    expect(meterLevel(0)).toBe(0);
    expect(meterLevel(1)).toBe(1);
    expect(meterLevel(10 ** (-33 / 20))).toBeCloseTo(0.5, 5);
  });
});
