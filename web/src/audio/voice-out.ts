/** Where the agent's speech goes: the loudspeaker, or nowhere for somebody who reads. */
export interface VoiceOut {
  /** The frames that follow belong to this speech, from this position on. */
  start(speechId: number, fromMs: number): void;
  /** One frame of 20 ms at 24 kHz. */
  frame(pcm: Int16Array): void;
  /** All frames of the speech have come; its length without padding. */
  finish(speechId: number, durationMs: number): void;
  /** Falls silent now and reports where. */
  clear(speechId: number): void;
  /** No more frames will come of what is playing. */
  connectionLost(): void;
}

/**
 * Plays nothing and reports as a loudspeaker would: the captions are read in the time the words would have taken, so
 * that history keeps what was really on the screen and the agent takes its turns at a natural pace.
 */
export class SilentOut implements VoiceOut {
  private current: { speechId: number; fromMs: number; startedMs: number; timer: number | undefined } | null = null;

  constructor(
    private readonly onPlayed: (speechId: number, playedMs: number) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  start(speechId: number, fromMs: number): void {
    this.stop();
    this.current = { speechId, fromMs, startedMs: this.now(), timer: undefined };
  }

  frame(): void {}

  finish(speechId: number, durationMs: number): void {
    const current = this.current;
    if (current?.speechId !== speechId) return;
    const left = Math.max(0, durationMs - this.position());
    current.timer = setTimeout(() => this.end(speechId, durationMs), left) as unknown as number;
  }

  clear(speechId: number): void {
    const position = this.current?.speechId === speechId ? this.position() : 0;
    if (this.current?.speechId === speechId) this.stop();
    this.onPlayed(speechId, position);
  }

  connectionLost(): void {
    this.stop();
  }

  private end(speechId: number, durationMs: number): void {
    this.stop();
    this.onPlayed(speechId, durationMs);
  }

  private position(): number {
    if (this.current === null) return 0;
    return Math.round(this.current.fromMs + this.now() - this.current.startedMs);
  }

  private stop(): void {
    clearTimeout(this.current?.timer);
    this.current = null;
  }
}
