import { AudioEngine, type EngineEvents, type Levels, MicrophoneError } from "../audio/engine";
import type { PlayoutStats } from "../audio/playout-queue";
import { SilentOut, type VoiceOut } from "../audio/voice-out";
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
  private silent: SilentOut;

  constructor(
    private readonly store: Store,
    private readonly events: VoiceEvents,
  ) {
    this.silent = this.newSilent();
  }

  /** Where the agent's speech goes now. */
  get out(): VoiceOut {
    return this.engine ?? this.silent;
  }

  get levels(): Levels {
    return this.engine?.levels ?? NO_LEVELS;
  }

  get stats(): PlayoutStats | null {
    return this.engine?.stats ?? null;
  }

  /** Opens loudspeaker and microphone; what fails is shown, and typing goes on. */
  async open(): Promise<void> {
    this.store.dispatch({ type: "microphone", microphone: "asking" });
    try {
      const engine = this.engine ?? (await this.openEngine());
      await engine.openMicrophone();
      engine.setMuted(this.store.state.muted);
      this.store.dispatch({ type: "microphone", microphone: "on" });
    } catch (error) {
      const microphone = error instanceof MicrophoneError ? error.failure : "unsupported";
      this.store.dispatch({ type: "microphone", microphone });
    }
  }

  setMuted(muted: boolean): void {
    this.engine?.setMuted(muted);
  }

  async unblock(): Promise<void> {
    await this.engine?.unblock();
  }

  async close(): Promise<void> {
    const engine = this.engine;
    this.engine = null;
    this.silent.connectionLost();
    this.silent = this.newSilent();
    this.store.dispatch({ type: "microphone", microphone: "off" });
    this.store.dispatch({ type: "sound_blocked", blocked: false });
    await engine?.close();
  }

  private newSilent(): SilentOut {
    return new SilentOut((speechId, playedMs) => this.events.onPlayed(speechId, playedMs));
  }

  private async openEngine(): Promise<AudioEngine> {
    const events: EngineEvents = {
      onFrame: (pcm) => this.events.onFrame(pcm),
      onPlayed: (speechId, playedMs) => this.events.onPlayed(speechId, playedMs),
      onMicrophoneLost: () => this.store.dispatch({ type: "microphone", microphone: "missing" }),
      onBlocked: (blocked) => this.store.dispatch({ type: "sound_blocked", blocked }),
    };
    const engine = await AudioEngine.open(events);
    this.engine = engine;
    const onTap = this.events.onTap;
    if (onTap !== undefined) engine.tap((samples) => onTap(samples, engine.rate));
    return engine;
  }
}
