import { fromPcm16, PLAYOUT_RATE } from "./pcm";
import { Resampler } from "./resampler";

/** How far a speech was played, in ms of that speech. */
export interface PlayoutReport {
  /** `dry`: all that has come was played, and more is to come. */
  kind: "position" | "dry" | "ended" | "cleared";
  speechId: number;
  playedMs: number;
}

/** What the jitter buffer went through. */
export interface PlayoutStats {
  underruns: number;
  /** Silence that underruns put into running speech, in ms. */
  concealedMs: number;
  /** What is waited for before a speech starts, in ms. */
  targetMs: number;
}

/** `clear` and underruns fade over this long, in ms. */
export const FADE_MS = 5;
const REPORT_EVERY_MS = 100;
const TARGET_MIN_MS = 60;
const TARGET_MAX_MS = 120;
const TARGET_STEP_MS = 20;
/** Clean playing after which the buffer shrinks by half a step, in ms. */
const CALM_MS = 20_000;
/** A speech that came in part and went silent is played after this long all the same, in ms. */
const PATIENCE_MS = 200;
/** Speeches whose last position is remembered for a late `clear`. */
const MEMORY = 32;

interface Segment {
  speechId: number;
  fromMs: number;
  /** Length of the whole speech without padding in ms, once the server has said it. */
  durationMs: number | null;
  chunks: Float32Array[];
  /** Samples of the first chunk that are played. */
  head: number;
  queued: number;
  played: number;
  finished: boolean;
  cleared: boolean;
  waited: number;
}

/**
 * The agent's voice on its way to the loudspeaker: a jitter buffer that knows, to the sample, what was played of which
 * speech. Pure: the worklet feeds it messages and asks it for blocks, and the tests do the same.
 */
export class PlayoutQueue {
  readonly stats: PlayoutStats = { underruns: 0, concealedMs: 0, targetMs: TARGET_MIN_MS };
  private readonly resampler: Resampler;
  private readonly fade: number;
  private readonly segments: Segment[] = [];
  private receiving: Segment | null = null;
  private playing = false;
  private gain = 0;
  private sinceReport = 0;
  private calm = 0;
  private reports: PlayoutReport[] = [];
  private readonly last = new Map<number, number>();

  /** The context's rate in Hz. */
  constructor(private readonly rate: number) {
    this.resampler = new Resampler(PLAYOUT_RATE, Math.round(rate));
    this.fade = Math.max(1, Math.floor((rate * FADE_MS) / 1000));
  }

  /** The frames that follow belong to this speech, from this position on. */
  start(speechId: number, fromMs: number): void {
    this.finishReceiving(null);
    this.receiving = {
      speechId,
      fromMs,
      durationMs: null,
      chunks: [],
      head: 0,
      queued: 0,
      played: 0,
      finished: false,
      cleared: false,
      waited: 0,
    };
    this.segments.push(this.receiving);
  }

  /** One frame of the speech that was started last; without one (or after its `clear`) it is dropped. */
  frame(pcm: Int16Array): void {
    if (this.receiving === null) return;
    const input = fromPcm16(pcm);
    const out = new Float32Array(this.resampler.maxOutput(input.length));
    this.enqueue(this.receiving, out.subarray(0, this.resampler.process(input, out)));
  }

  /** All frames of the speech have come. */
  finish(speechId: number, durationMs: number | null): void {
    if (this.receiving?.speechId === speechId) this.finishReceiving(durationMs);
  }

  /** The connection is gone: what has come is played, and nothing more is waited for. */
  finishAll(): void {
    this.finishReceiving(null);
  }

  /** Falls silent within `FADE_MS`, drops the rest of the speech, and reports where it stopped. */
  clear(speechId: number): void {
    if (this.receiving?.speechId === speechId) {
      this.receiving = null;
      this.resampler.reset();
    }
    const current = this.segments[0];
    const sounding = this.playing && current?.speechId === speechId ? current : null;
    const dropped = this.segments.filter((segment) => segment.speechId === speechId && segment !== sounding);
    for (const segment of dropped) {
      this.segments.splice(this.segments.indexOf(segment), 1);
      if (!sounding) this.remember(segment);
    }
    if (sounding) {
      sounding.cleared = true;
      sounding.queued = Math.min(sounding.queued, this.fade);
    } else {
      this.report("cleared", speechId, this.last.get(speechId) ?? 0);
    }
  }

  /** Fills a block for the loudspeaker. */
  render(out: Float32Array): void {
    out.fill(0);
    let at = 0;
    while (at < out.length) {
      const segment = this.segments[0];
      if (segment === undefined) {
        this.playing = false;
        return;
      }
      if (!this.playing && !this.begin(segment, out.length - at)) return;
      at += this.play(segment, out, at);
    }
  }

  /** The reports since the last call. */
  takeReports(): PlayoutReport[] {
    const reports = this.reports;
    this.reports = [];
    return reports;
  }

  private finishReceiving(durationMs: number | null): void {
    const segment = this.receiving;
    if (segment === null) return;
    const out = new Float32Array(this.resampler.maxOutput(0));
    this.enqueue(segment, out.subarray(0, this.resampler.flush(out)));
    segment.finished = true;
    segment.durationMs = durationMs;
    this.receiving = null;
  }

  private enqueue(segment: Segment, samples: Float32Array): void {
    if (samples.length === 0) return;
    segment.chunks.push(samples);
    segment.queued += samples.length;
  }

  private begin(segment: Segment, block: number): boolean {
    const queuedMs = (segment.queued / this.rate) * 1000;
    const waitedMs = (segment.waited / this.rate) * 1000;
    const patienceOver = segment.queued > this.fade && waitedMs >= PATIENCE_MS;
    if (!segment.finished && queuedMs < this.stats.targetMs && !patienceOver) {
      if (segment.queued > 0 || segment.played > 0) segment.waited += block;
      if (segment.played > 0) this.stats.concealedMs += (block / this.rate) * 1000;
      return false;
    }
    segment.waited = 0;
    this.playing = true;
    this.gain = segment.played === 0 && segment.fromMs === 0 ? 1 : 0;
    return true;
  }

  /** Plays what it can of the first segment into `out` from `at` on; returns how many samples it wrote. */
  private play(segment: Segment, out: Float32Array, at: number): number {
    const step = 1 / this.fade;
    let count = 0;
    while (at + count < out.length && segment.queued > 0) {
      const falling = segment.cleared || (!segment.finished && segment.queued <= this.fade);
      this.gain = falling ? Math.max(0, this.gain - step) : Math.min(1, this.gain + step);
      out[at + count] = this.next(segment) * this.gain;
      count++;
    }
    segment.played += count;
    this.calm += count;
    this.sinceReport += count;
    if (segment.queued === 0) this.exhausted(segment);
    else if (this.sinceReport * 1000 >= REPORT_EVERY_MS * this.rate) this.reportPosition("position", segment);
    this.relax();
    return count;
  }

  private next(segment: Segment): number {
    const chunk = segment.chunks[0];
    if (chunk === undefined) return 0;
    const sample = chunk[segment.head++] ?? 0;
    segment.queued--;
    if (segment.head >= chunk.length) {
      segment.chunks.shift();
      segment.head = 0;
    }
    return sample;
  }

  private exhausted(segment: Segment): void {
    this.playing = false;
    if (segment.cleared || segment.finished) {
      this.segments.shift();
      this.remember(segment);
      this.reportPosition(segment.cleared ? "cleared" : "ended", segment);
      return;
    }
    this.stats.underruns++;
    this.stats.targetMs = Math.min(TARGET_MAX_MS, this.stats.targetMs + TARGET_STEP_MS);
    this.calm = 0;
    this.reportPosition("dry", segment);
  }

  private relax(): void {
    if (this.calm * 1000 < CALM_MS * this.rate) return;
    this.calm = 0;
    this.stats.targetMs = Math.max(TARGET_MIN_MS, this.stats.targetMs - TARGET_STEP_MS / 2);
  }

  private positionMs(segment: Segment): number {
    const position = segment.fromMs + (segment.played / this.rate) * 1000;
    return Math.round(segment.durationMs === null ? position : Math.min(position, segment.durationMs));
  }

  private remember(segment: Segment): void {
    this.last.delete(segment.speechId);
    this.last.set(segment.speechId, this.positionMs(segment));
    const oldest = this.last.keys().next();
    if (this.last.size > MEMORY && !oldest.done) this.last.delete(oldest.value);
  }

  private reportPosition(kind: PlayoutReport["kind"], segment: Segment): void {
    this.sinceReport = 0;
    this.report(kind, segment.speechId, this.positionMs(segment));
  }

  private report(kind: PlayoutReport["kind"], speechId: number, playedMs: number): void {
    this.reports.push({ kind, speechId, playedMs });
  }
}
