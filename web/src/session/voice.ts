import { AudioEngine, type EngineEvents, type Levels, MicrophoneError } from "../audio/engine";
import type { PlayoutStats } from "../audio/playout-queue";
import { NOWHERE, type VoiceOut } from "../audio/voice-out";
import { watchMicrophones } from "./microphones";
import { isSilenced } from "./state";
import type { Store } from "./store";

export interface VoiceEvents {
  onFrame(pcm: Int16Array): void;
  onPlayed(speechId: number, playedMs: number): void;
  /** Set by tests: everything that is really played, with its rate in Hz. */
  onTap?: ((samples: Float32Array, rate: number) => void) | undefined;
}

const NO_LEVELS: Levels = { microphone: 0, agent: 0 };

/** The session's microphone and loudspeaker, and what the page shows of them. */
export class Voice {
  private engine: AudioEngine | null = null;
  private readonly devices: ReturnType<typeof watchMicrophones>;
  /** Grows when the call ends: what was begun before then belongs to nobody. */
  private call = 0;

  constructor(
    private readonly store: Store,
    private readonly events: VoiceEvents,
  ) {
    this.devices = watchMicrophones((microphones) => this.store.dispatch({ type: "microphones", microphones }));
  }

  /** The open microphone, as a track. */
  get microphone(): MediaStreamTrack | null {
    return this.engine?.microphone ?? null;
  }

  /** Plays the agent's voice from a track; null when it is gone. */
  play(voice: MediaStreamTrack | null): void {
    this.engine?.play(voice);
  }

  /** Calls `listener` when another microphone is open, or none, until the returned function is called. */
  onMicrophone(listener: () => void): () => void {
    let known = this.microphone;
    return this.store.subscribe(() => {
      if (this.microphone === known) return;
      known = this.microphone;
      listener();
    });
  }

  /** Where the agent's speech goes now. */
  get out(): VoiceOut {
    return this.engine ?? NOWHERE;
  }

  get levels(): Levels {
    return this.engine?.levels ?? NO_LEVELS;
  }

  get stats(): PlayoutStats | null {
    return this.engine?.stats ?? null;
  }

  /** Opens loudspeaker and microphone; what fails is shown, and typing goes on. Says whether there is a microphone. */
  async open(): Promise<boolean> {
    const call = this.call;
    this.store.dispatch({ type: "microphone", microphone: "asking" });
    try {
      const engine = this.engine ?? (await this.openEngine());
      if (call !== this.call || !(await this.openMicrophone(engine))) return false;
      this.store.dispatch({ type: "microphone", microphone: "on" });
      engine.setMuted(isSilenced(this.store.state));
    } catch (error) {
      if (call !== this.call) return false;
      const microphone = error instanceof MicrophoneError ? error.failure : "unsupported";
      this.store.dispatch({ type: "microphone", microphone });
    }
    // Only now that the permission is settled does the browser name the devices.
    await this.devices.refresh();
    return this.store.state.microphone === "on";
  }

  /** Lets the microphone go; the agent is still heard. */
  closeMicrophone(): void {
    this.engine?.closeMicrophone();
    this.store.dispatch({ type: "microphone", microphone: "off" });
  }

  /** For tests: a browser cannot pull its own plug. */
  unplug(): void {
    this.engine?.unplug();
  }

  setMuted(muted: boolean): void {
    this.engine?.setMuted(muted);
  }

  async unblock(): Promise<void> {
    await this.engine?.unblock();
  }

  async close(): Promise<void> {
    const engine = this.engine;
    this.call++;
    this.engine = null;
    this.store.dispatch({ type: "microphone", microphone: "off" });
    this.store.dispatch({ type: "sound_blocked", blocked: false });
    this.store.dispatch({ type: "sound", sound: false });
    await engine?.close();
  }

  /** The chosen microphone, or the system's when that one is not here today. */
  private async openMicrophone(engine: AudioEngine): Promise<boolean> {
    const { microphoneId } = this.store.state;
    try {
      return await engine.openMicrophone(microphoneId);
    } catch (error) {
      if (microphoneId === "" || !(error instanceof MicrophoneError) || error.failure !== "missing") throw error;
      this.store.dispatch({ type: "microphone_chosen", id: "" });
      this.store.dispatch({
        type: "notice",
        notice: "The microphone that you chose is not here; another one is used.",
      });
      return engine.openMicrophone("");
    }
  }

  private async openEngine(): Promise<AudioEngine> {
    const events: EngineEvents = {
      onFrame: (pcm) => this.events.onFrame(pcm),
      onPlayed: (speechId, playedMs) => this.events.onPlayed(speechId, playedMs),
      onMicrophoneLost: () => this.store.dispatch({ type: "microphone", microphone: "lost" }),
      onBlocked: (blocked) => this.store.dispatch({ type: "sound_blocked", blocked }),
    };
    const call = this.call;
    const engine = await AudioEngine.open(events);
    if (call !== this.call) {
      await engine.close();
      return engine;
    }
    this.engine = engine;
    this.store.dispatch({ type: "sound", sound: true });
    const onTap = this.events.onTap;
    if (onTap !== undefined) engine.tap((samples) => onTap(samples, engine.rate));
    return engine;
  }
}
