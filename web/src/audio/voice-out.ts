/** Where the agent's speech goes. */
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

/** For a page without a loudspeaker: its connection has answers in writing, so nothing comes here but by a hair. */
export const NOWHERE: VoiceOut = { start() {}, frame() {}, finish() {}, clear() {}, connectionLost() {} };
