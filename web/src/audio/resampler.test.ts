import { describe, expect, it } from "vitest";
import { Resampler, resampleClip } from "./resampler";

function sine(frequency: number, rate: number, seconds: number, amplitude = 0.5): Float32Array {
  return Float32Array.from(
    { length: rate * seconds },
    (_, i) => amplitude * Math.sin((2 * Math.PI * frequency * i) / rate),
  );
}

/** RMS in dB relative to a full-scale sine, without the first and last 50 ms. */
function levelDb(samples: Float32Array, rate: number): number {
  const edge = Math.floor(rate * 0.05);
  const middle = samples.subarray(edge, samples.length - edge);
  let sum = 0;
  for (const sample of middle) sum += sample * sample;
  return 10 * Math.log10((2 * sum) / middle.length + 1e-20);
}

describe("Resampler", () => {
  const downs = [48_000, 44_100, 96_000, 32_000];

  it.each(downs)("keeps the level of a 1 kHz and a 7 kHz tone from %i Hz to 16 kHz", (rate) => {
    for (const tone of [1_000, 7_000]) {
      const out = resampleClip(sine(tone, rate, 0.5), rate, 16_000);
      expect(levelDb(out, 16_000)).toBeCloseTo(20 * Math.log10(0.5), 1);
    }
  });

  it.each(downs)("lets nothing above 8 kHz fold back from %i Hz", (rate) => {
    for (const tone of [8_100, 9_000, 12_000, 15_000]) {
      if (tone >= rate / 2) continue;
      const out = resampleClip(sine(tone, rate, 0.5), rate, 16_000);
      expect(levelDb(out, 16_000)).toBeLessThan(-75);
    }
  });

  it.each([44_100, 48_000, 96_000])("puts no image of a tone above 12 kHz when going from 24 kHz to %i Hz", (rate) => {
    const wanted = sine(3_000, rate, 0.5);
    const out = resampleClip(sine(3_000, 24_000, 0.5), 24_000, rate);
    const difference = out.map((sample, i) => sample - (wanted[i] ?? 0));
    expect(levelDb(difference, rate)).toBeLessThan(-70);
  });

  it("has no delay and gives exactly the samples that the clip lasts", () => {
    const clip = sine(500, 48_000, 0.25);
    const out = resampleClip(clip, 48_000, 16_000);
    expect(out.length).toBe(4_000);
    expect(out[100]).toBeCloseTo(clip[300] ?? 0, 3);
    expect(resampleClip(new Float32Array(441), 44_100, 16_000).length).toBe(160);
  });

  it("gives the same samples whatever the blocks", () => {
    const clip = sine(700, 44_100, 0.1);
    const whole = resampleClip(clip, 44_100, 16_000);
    const resampler = new Resampler(44_100, 16_000);
    const pieces: number[] = [];
    const out = new Float32Array(resampler.maxOutput(300));
    for (let at = 0; at < clip.length; at += 127) {
      pieces.push(...out.subarray(0, resampler.process(clip.subarray(at, at + 127), out)));
    }
    const tail = resampler.flush(out);
    pieces.push(...out.subarray(0, tail));
    expect(pieces).toEqual([...whole]);
  });

  it("passes equal rates through and refuses senseless ones", () => {
    const clip = sine(700, 16_000, 0.01);
    expect([...resampleClip(clip, 16_000, 16_000)]).toEqual([...clip]);
    expect(() => new Resampler(0, 16_000)).toThrow(RangeError);
    expect(() => new Resampler(44_100.5, 16_000)).toThrow(RangeError);
  });
});
