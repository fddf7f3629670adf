/**
 * A streaming polyphase resampler with a Kaiser-windowed sinc: any whole rate to any other.
 *
 * Pass band to 0.9 of the lower Nyquist frequency, stop band 80 dB down from that Nyquist frequency on, so nothing
 * audible folds back. The group delay is compensated: output sample 0 lies at the time of input sample 0, and after
 * `flush` there are exactly ceil(inputs × out / in) samples. Design formulas: Kaiser (1974), as in every textbook.
 */

const STOP_BAND_DB = 80;
/** Width of the transition band as a share of the lower Nyquist frequency. */
const TRANSITION = 0.1;

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Modified Bessel function of the first kind, order 0, by its power series. */
function besselI0(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** One row of `2 × half` taps for each of `phases` positions between two input samples; each row sums to 1. */
function designTaps(phases: number, half: number, cutoff: number): Float32Array[] {
  const beta = 0.1102 * (STOP_BAND_DB - 8.7);
  const norm = besselI0(beta);
  const rows: Float32Array[] = [];
  for (let phase = 0; phase < phases; phase++) {
    const row = new Float64Array(2 * half);
    let sum = 0;
    for (let k = 0; k < row.length; k++) {
      const t = k - half + 1 - phase / phases;
      const edge = Math.max(0, 1 - (t / half) ** 2);
      const x = Math.PI * 2 * cutoff * t;
      const tap = (x === 0 ? 1 : Math.sin(x) / x) * (besselI0(beta * Math.sqrt(edge)) / norm);
      row[k] = tap;
      sum += tap;
    }
    rows.push(Float32Array.from(row, (tap) => tap / sum));
  }
  return rows;
}

export class Resampler {
  private readonly up: number;
  private readonly down: number;
  private readonly half: number;
  private readonly taps: Float32Array[];
  private buffer: Float32Array;
  private length = 0;
  private position = 0;
  private phase = 0;

  /** Rates in Hz, whole numbers above 0. */
  constructor(
    readonly inRate: number,
    readonly outRate: number,
  ) {
    if (!Number.isInteger(inRate) || !Number.isInteger(outRate) || inRate <= 0 || outRate <= 0) {
      throw new RangeError(`cannot resample ${inRate} Hz to ${outRate} Hz`);
    }
    const divisor = gcd(inRate, outRate);
    this.up = outRate / divisor;
    this.down = inRate / divisor;
    const nyquist = 0.5 * Math.min(1, outRate / inRate);
    const width = 2 * Math.PI * TRANSITION * nyquist;
    this.half = Math.ceil((STOP_BAND_DB - 8) / (2.285 * width) / 2);
    this.taps = inRate === outRate ? [] : designTaps(this.up, this.half, nyquist * (1 - TRANSITION / 2));
    this.buffer = new Float32Array(2 * this.half + 4096);
    this.reset();
  }

  /** Forgets everything: the next sample is the first of a new stream. */
  reset(): void {
    this.buffer.fill(0);
    this.length = this.half - 1;
    this.position = this.half - 1;
    this.phase = 0;
  }

  /** The most samples that one call of `process` can yield for that many inputs (`flush`: for 0). */
  maxOutput(inputs: number): number {
    return Math.ceil(((inputs + this.half) * this.up) / this.down) + 1;
  }

  /** Takes a block and writes what can be computed from it to `output`; returns how many samples that was. */
  process(input: Float32Array, output: Float32Array): number {
    if (this.taps.length === 0) {
      output.set(input);
      return input.length;
    }
    this.append(input);
    return this.emit(output);
  }

  /** The tail that waits for samples to come, computed with silence; then starts anew. */
  flush(output: Float32Array): number {
    if (this.taps.length === 0) return 0;
    this.append(new Float32Array(this.half));
    const count = this.emit(output);
    this.reset();
    return count;
  }

  private append(input: Float32Array): void {
    const needed = this.length + input.length;
    if (needed > this.buffer.length) {
      const grown = new Float32Array(needed * 2);
      grown.set(this.buffer.subarray(0, this.length));
      this.buffer = grown;
    }
    this.buffer.set(input, this.length);
    this.length = needed;
  }

  private emit(output: Float32Array): number {
    let count = 0;
    while (this.position + this.half < this.length) {
      output[count++] = this.convolve();
      this.phase += this.down;
      this.position += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    const drop = Math.min(this.length, this.position - this.half + 1);
    this.buffer.copyWithin(0, drop, this.length);
    this.length -= drop;
    this.position -= drop;
    return count;
  }

  private convolve(): number {
    const row = this.taps[this.phase];
    if (row === undefined) return 0;
    const start = this.position - this.half + 1;
    const buffer = this.buffer;
    let sum = 0;
    for (let k = 0; k < row.length; k++) sum += (row[k] as number) * (buffer[start + k] as number);
    return sum;
  }
}

/** A whole clip at once. */
export function resampleClip(clip: Float32Array, inRate: number, outRate: number): Float32Array {
  const resampler = new Resampler(inRate, outRate);
  const out = new Float32Array(resampler.maxOutput(clip.length) + resampler.maxOutput(0));
  const head = resampler.process(clip, out);
  const tail = resampler.flush(out.subarray(head));
  return out.slice(0, head + tail);
}
