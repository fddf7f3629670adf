import { Framer } from "./framer";

/** Runs on the audio thread: microphone blocks in, frames of 20 ms (`{ pcm, level }`) out by message. */
class CaptureProcessor extends AudioWorkletProcessor {
  private readonly framer = new Framer(sampleRate);

  override process(inputs: Float32Array[][]): boolean {
    const channels = inputs[0];
    if (channels !== undefined && channels.length > 0) {
      this.framer.push(channels, (frame) => this.port.postMessage(frame, [frame.pcm.buffer]));
    }
    return true;
  }
}

registerProcessor("capture", CaptureProcessor);
