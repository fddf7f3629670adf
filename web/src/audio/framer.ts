import { CAPTURE_FRAME, CAPTURE_RATE, rms, toPcm16 } from "./pcm";
import { Resampler } from "./resampler";

/** One frame of 20 ms for the wire, and how loud it was (RMS, 0 to 1). */
export interface CapturedFrame {
  pcm: Int16Array;
  level: number;
}

/** Cuts the microphone's blocks, at whatever rate the device runs, into the wire's frames of 20 ms at 16 kHz. */
export class Framer {
  private readonly resampler: Resampler;
  private readonly frame = new Float32Array(CAPTURE_FRAME);
  private filled = 0;
  private scratch = new Float32Array(0);
  private mono = new Float32Array(128);

  /** The device's rate in Hz. */
  constructor(deviceRate: number) {
    this.resampler = new Resampler(Math.round(deviceRate), CAPTURE_RATE);
  }

  /** Takes a block of all channels; calls `emit` for every frame that it completes. */
  push(channels: Float32Array[], emit: (frame: CapturedFrame) => void): void {
    const block = this.mixDown(channels);
    const room = this.resampler.maxOutput(block.length);
    if (this.scratch.length < room) this.scratch = new Float32Array(room);
    const count = this.resampler.process(block, this.scratch);
    for (let i = 0; i < count; i++) {
      this.frame[this.filled++] = this.scratch[i] as number;
      if (this.filled < CAPTURE_FRAME) continue;
      this.filled = 0;
      emit({ pcm: toPcm16(this.frame), level: rms(this.frame) });
    }
  }

  private mixDown(channels: Float32Array[]): Float32Array {
    const first = channels[0] ?? new Float32Array(0);
    if (channels.length < 2) return first;
    if (this.mono.length !== first.length) this.mono = new Float32Array(first.length);
    for (let i = 0; i < first.length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i] ?? 0;
      this.mono[i] = sum / channels.length;
    }
    return this.mono;
  }
}
