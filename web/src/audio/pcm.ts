/** Conversions between the wire's PCM16LE and Web Audio's floats, and the level of a block. */

/** The caller's rate on the wire, in Hz. */
export const CAPTURE_RATE = 16_000;
/** Samples in one frame of 20 ms from the caller (640 bytes). */
export const CAPTURE_FRAME = 320;
/** The agent's rate on the wire, in Hz. */
export const PLAYOUT_RATE = 24_000;
/** Samples in one frame of 20 ms to the caller (960 bytes). */
export const PLAYOUT_FRAME = 480;

/** Floats in [-1, 1] to 16-bit integers: rounded, and clamped rather than wrapped. */
export function toPcm16(samples: Float32Array): Int16Array {
  const out = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    const scaled = Math.round((samples[i] ?? 0) * 32_768);
    out[i] = Math.max(-32_768, Math.min(32_767, scaled));
  }
  return out;
}

/** 16-bit integers to floats in [-1, 1). */
export function fromPcm16(pcm: Int16Array): Float32Array {
  const out = new Float32Array(pcm.length);
  for (let i = 0; i < pcm.length; i++) out[i] = (pcm[i] ?? 0) / 32_768;
  return out;
}

/** Root mean square of a block, 0 to 1. */
export function rms(samples: Float32Array, length = samples.length): number {
  if (length === 0) return 0;
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const sample = samples[i] ?? 0;
    sum += sample * sample;
  }
  return Math.sqrt(sum / length);
}

/** A level for a meter: -54 dBFS and below is 0, -12 dBFS and above is 1, linear in decibels between. */
export function meterLevel(level: number): number {
  if (level <= 0) return 0;
  const decibels = 20 * Math.log10(level);
  return Math.max(0, Math.min(1, (decibels + 54) / 42));
}
