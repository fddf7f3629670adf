import { CAPTURE_RATE, toPcm16 } from "./audio/pcm";
import { resampleClip } from "./audio/resampler";
import { SessionController } from "./session/controller";
import type { SessionState } from "./session/state";

/** What a browser test may ask of the page when its address has `?test=1`. */
export interface TestHook {
  state(): SessionState;
  /** Everything that left the loudspeaker so far: PCM16LE mono at 16 kHz, base64. */
  played(): string;
  /** Takes the microphone away as pulling its plug does. */
  unplug(): void;
  /** Whether the call goes through a LiveKit room. */
  isRoom(): boolean;
  stats(): { underruns: number; concealedMs: number; targetMs: number; droppedFrames: number; capturedFrames: number };
}

declare global {
  interface Window {
    __voiceAgentTest?: TestHook;
  }
}

/** Seconds of sound that are kept: a test that plays longer loses its beginning. */
const KEPT_S = 180;

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8_192) text += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return btoa(text);
}

export function controllerWithHook(): SessionController {
  const chunks: Float32Array[] = [];
  let rateHz = 48_000;
  let length = 0;
  const controller = new SessionController((samples, rate) => {
    rateHz = rate;
    chunks.push(samples);
    length += samples.length;
    while (length > KEPT_S * rate) length -= chunks.shift()?.length ?? length;
  });
  window.__voiceAgentTest = {
    state: () => controller.store.state,
    played: () => {
      const clip = new Float32Array(length);
      let at = 0;
      for (const chunk of chunks) {
        clip.set(chunk, at);
        at += chunk.length;
      }
      return base64(new Uint8Array(toPcm16(resampleClip(clip, Math.round(rateHz), CAPTURE_RATE)).buffer));
    },
    unplug: () => controller.voice.unplug(),
    isRoom: () => controller.isRoom,
    stats: () => ({
      underruns: 0,
      concealedMs: 0,
      targetMs: 0,
      ...controller.voice.stats,
      droppedFrames: controller.droppedFrames,
      capturedFrames: controller.capturedFrames,
    }),
  };
  return controller;
}
