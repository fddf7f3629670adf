import captureUrl from "./capture.worklet.ts?worker&url";
import type { CapturedFrame } from "./framer";
import { meterLevel } from "./pcm";
import type { PlayoutCommand, PlayoutNews } from "./playout.worklet";
import playoutUrl from "./playout.worklet.ts?worker&url";
import type { PlayoutStats } from "./playout-queue";
import type { VoiceOut } from "./voice-out";

/** Why there is no microphone. */
export type MicrophoneFailure = "denied" | "missing" | "busy" | "unsupported";

export class MicrophoneError extends Error {
  constructor(readonly failure: MicrophoneFailure) {
    super(`no microphone: ${failure}`);
  }
}

/** Levels for meters, 0 to 1 on a decibel scale; read them once per animation frame. */
export interface Levels {
  microphone: number;
  agent: number;
}

export interface EngineEvents {
  /** A frame of 20 ms from the microphone, 640 bytes for the wire. */
  onFrame(pcm: Int16Array): void;
  /** What was really played of a speech, in ms of it. */
  onPlayed(speechId: number, playedMs: number): void;
  /** The device was unplugged or taken away. */
  onMicrophoneLost(): void;
  /** The browser holds sound back until the person touches the page (`true`), or lets it through. */
  onBlocked(blocked: boolean): void;
}

const MICROPHONE: MediaTrackConstraints = {
  channelCount: 1,
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
};

function failureOf(error: unknown): MicrophoneFailure {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "missing";
  if (name === "NotReadableError" || name === "AbortError") return "busy";
  return "unsupported";
}

function stopAll(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

async function askFor(id: string): Promise<MediaStream> {
  if (navigator.mediaDevices === undefined) throw new MicrophoneError("unsupported");
  const device = id === "" ? {} : { deviceId: { exact: id } };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { ...MICROPHONE, ...device } });
  } catch (error) {
    throw new MicrophoneError(failureOf(error));
  }
}

/** Fetches the worklets into the browser's cache while the person still reads, so that the call need not wait for them. */
export async function preloadWorklets(): Promise<void> {
  // A failure means nothing here: the call asks for them again, and says what is wrong.
  await Promise.allSettled([captureUrl, playoutUrl].map(async (url) => (await fetch(url)).arrayBuffer()));
}

/** The page's ears and mouth: one AudioContext, the capture and the playout worklet. */
export class AudioEngine implements VoiceOut {
  readonly levels: Levels = { microphone: 0, agent: 0 };
  stats: PlayoutStats = { underruns: 0, concealedMs: 0, targetMs: 0 };
  private stream: MediaStream | null = null;
  /** Counts what was asked for, so that an answer that comes late is told from the one that is wanted. */
  private asked = 0;
  /** The agent's voice, where it comes as a track. */
  private voice: { source: MediaStreamAudioSourceNode; pump: HTMLAudioElement } | null = null;
  private onTap: ((samples: Float32Array) => void) | null = null;

  private constructor(
    private readonly context: AudioContext,
    private readonly playout: AudioWorkletNode,
    private readonly events: EngineEvents,
  ) {
    playout.port.onmessage = (event: MessageEvent<PlayoutNews>) => this.handlePlayout(event.data);
    context.onstatechange = () => this.tellBlocked();
  }

  /** The context's rate in Hz. */
  get rate(): number {
    return this.context.sampleRate;
  }

  /** Builds the loudspeaker's side. Throws when the browser has no AudioWorklet. */
  static async open(events: EngineEvents): Promise<AudioEngine> {
    const context = new AudioContext({ latencyHint: "interactive" });
    try {
      await Promise.all([context.audioWorklet.addModule(captureUrl), context.audioWorklet.addModule(playoutUrl)]);
      const playout = new AudioWorkletNode(context, "playout", {
        numberOfInputs: 1,
        outputChannelCount: [1],
        channelCount: 1,
        channelCountMode: "explicit",
      });
      playout.connect(context.destination);
      const engine = new AudioEngine(context, playout, events);
      // Not awaited: without a touch of the page Chromium keeps this promise open.
      void engine.unblock();
      engine.tellBlocked();
      return engine;
    } catch (error) {
      await context.close();
      throw error;
    }
  }

  /**
   * Asks for the microphone: the named one, or with an empty id the system's choice. The one that was open is closed.
   * Resolves to false when the call ended, or another microphone was asked for, meanwhile. Throws `MicrophoneError`.
   */
  async openMicrophone(id: string): Promise<boolean> {
    const asked = ++this.asked;
    const stream = await askFor(id);
    if (asked !== this.asked || this.context.state === "closed") {
      // Nobody wants it any more, and no light may stay on for nothing.
      stopAll(stream);
      return false;
    }
    this.closeMicrophone();
    this.stream = stream;
    stream.getAudioTracks()[0]?.addEventListener("ended", () => this.handleLost(stream));
    const capture = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = (event: MessageEvent<CapturedFrame>) => {
      if (this.stream !== stream) return;
      this.levels.microphone = meterLevel(event.data.level);
      this.events.onFrame(event.data.pcm);
    };
    this.context.createMediaStreamSource(stream).connect(capture);
    return true;
  }

  /** Lets the microphone go; the loudspeaker stays. */
  closeMicrophone(): void {
    this.asked++;
    stopAll(this.stream);
    this.stream = null;
    this.levels.microphone = 0;
  }

  /** The open microphone. */
  get microphone(): MediaStreamTrack | null {
    return this.stream?.getAudioTracks()[0] ?? null;
  }

  /** Plays a track in the place of frames; null when it is gone. */
  play(voice: MediaStreamTrack | null): void {
    this.voice?.source.disconnect();
    if (this.voice !== null) this.voice.pump.srcObject = null;
    this.voice = null;
    if (voice === null || this.isClosed) return;
    const stream = new MediaStream([voice]);
    // Chromium decodes a remote track only for an element that plays it.
    const pump = new Audio();
    pump.muted = true;
    pump.srcObject = stream;
    pump.play().catch(() => undefined);
    const source = this.context.createMediaStreamSource(stream);
    source.connect(this.playout);
    this.voice = { source, pump };
  }

  /** Behaves as when the device's plug is pulled: a track that the page stops itself tells nobody that it ended. */
  unplug(): void {
    for (const track of this.stream?.getAudioTracks() ?? []) track.dispatchEvent(new Event("ended"));
  }

  /** A muted microphone yields silence to everyone, and its meter rests. */
  setMuted(muted: boolean): void {
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  /** Lets sound through; call it from a touch or a key. */
  async unblock(): Promise<void> {
    if (this.context.state !== "suspended") return;
    try {
      await this.context.resume();
    } catch (error) {
      // The call ended while the browser waited for a touch: nobody wants the sound any more.
      if (!this.isClosed) throw error;
    }
  }

  private get isClosed(): boolean {
    return this.context.state === "closed";
  }

  /** Everything that is really played, for tests: floats at `rate`. */
  tap(onTap: (samples: Float32Array) => void): void {
    this.onTap = onTap;
    this.post({ type: "tap" });
  }

  start(speechId: number, fromMs: number): void {
    this.post({ type: "start", speechId, fromMs });
  }

  frame(pcm: Int16Array): void {
    this.playout.port.postMessage({ type: "frame", pcm } satisfies PlayoutCommand, [pcm.buffer]);
  }

  finish(speechId: number, durationMs: number): void {
    this.post({ type: "finish", speechId, durationMs });
  }

  clear(speechId: number): void {
    this.post({ type: "clear", speechId });
  }

  connectionLost(): void {
    this.post({ type: "finish_all" });
  }

  async close(): Promise<void> {
    this.play(null);
    this.closeMicrophone();
    this.context.onstatechange = null;
    this.playout.port.onmessage = null;
    if (this.context.state !== "closed") await this.context.close();
  }

  private handleLost(stream: MediaStream): void {
    if (this.stream !== stream) return;
    this.closeMicrophone();
    this.events.onMicrophoneLost();
  }

  private handlePlayout(news: PlayoutNews): void {
    if (news.type === "level") {
      this.levels.agent = meterLevel(news.level);
    } else if (news.type === "tap") {
      this.onTap?.(news.samples);
    } else {
      this.stats = news.stats;
      this.events.onPlayed(news.report.speechId, this.heardMs(news));
    }
  }

  /**
   * What the worklet rendered is heard only after the device's latency. While a speech runs that is taken off; at its
   * end, where nothing more has come yet, and after `clear`, what was rendered will be heard whatever happens, and counts.
   */
  private heardMs(news: Extract<PlayoutNews, { type: "report" }>): number {
    const { kind, playedMs } = news.report;
    if (kind !== "position") return playedMs;
    return Math.max(0, Math.round(playedMs - (this.context.outputLatency || 0) * 1000));
  }

  private tellBlocked(): void {
    this.events.onBlocked(this.context.state === "suspended");
  }

  private post(command: PlayoutCommand): void {
    this.playout.port.postMessage(command);
  }
}
