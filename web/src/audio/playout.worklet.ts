import { rms } from "./pcm";
import { PlayoutQueue, type PlayoutReport, type PlayoutStats } from "./playout-queue";

/** What the page tells the playout processor. */
export type PlayoutCommand =
  | { type: "start"; speechId: number; fromMs: number }
  | { type: "frame"; pcm: Int16Array }
  | { type: "finish"; speechId: number; durationMs: number | null }
  | { type: "finish_all" }
  | { type: "clear"; speechId: number }
  | { type: "tap" };

/** What the playout processor tells the page. */
export type PlayoutNews =
  | { type: "report"; report: PlayoutReport; stats: PlayoutStats }
  | { type: "level"; level: number }
  | { type: "tap"; samples: Float32Array };

/** Blocks of 128 samples between two levels: about 20 a second. */
const LEVEL_EVERY = 18;
/** Samples in one message of the test tap. */
const TAP_CHUNK = 8_192;

/** The agent's voice from a track, which comes as sound. */
function mix(block: Float32Array, voice: Float32Array | undefined): void {
  voice?.forEach((sample, i) => {
    block[i] = (block[i] ?? 0) + sample;
  });
}

/** Runs on the audio thread: the agent's frames in by message, or its voice as sound; the loudspeaker's blocks out. */
class PlayoutProcessor extends AudioWorkletProcessor {
  private readonly queue = new PlayoutQueue(sampleRate);
  private blocks = 0;
  private loudest = 0;
  private tap: Float32Array | null = null;
  private tapped = 0;

  constructor() {
    super();
    this.port.onmessage = (event: MessageEvent<PlayoutCommand>) => this.handle(event.data);
  }

  override process(inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const [first, ...others] = outputs[0] ?? [];
    if (first === undefined) return true;
    this.queue.render(first);
    mix(first, inputs[0]?.[0]);
    for (const other of others) other.set(first);
    this.tell(first);
    return true;
  }

  private handle(command: PlayoutCommand): void {
    switch (command.type) {
      case "start":
        this.queue.start(command.speechId, command.fromMs);
        break;
      case "frame":
        this.queue.frame(command.pcm);
        break;
      case "finish":
        this.queue.finish(command.speechId, command.durationMs);
        break;
      case "finish_all":
        this.queue.finishAll();
        break;
      case "clear":
        this.queue.clear(command.speechId);
        break;
      case "tap":
        this.tap = new Float32Array(TAP_CHUNK);
    }
  }

  private tell(block: Float32Array): void {
    for (const report of this.queue.takeReports()) {
      this.post({ type: "report", report, stats: { ...this.queue.stats } });
    }
    this.loudest = Math.max(this.loudest, rms(block));
    if (++this.blocks % LEVEL_EVERY === 0) {
      this.post({ type: "level", level: this.loudest });
      this.loudest = 0;
    }
    if (this.tap === null) return;
    this.tap.set(block, this.tapped);
    this.tapped += block.length;
    if (this.tapped + block.length > this.tap.length) {
      this.post({ type: "tap", samples: this.tap.slice(0, this.tapped) });
      this.tapped = 0;
    }
  }

  private post(news: PlayoutNews): void {
    this.port.postMessage(news);
  }
}

registerProcessor("playout", PlayoutProcessor);
