// Just enough of RIFF/WAVE for mono or stereo PCM16.

import { readFileSync } from "node:fs";

/** Reads a PCM16 WAV file: { samples: Int16Array (first channel), rate in Hz }. */
export function readWav(path) {
  const file = readFileSync(path);
  if (file.toString("latin1", 0, 4) !== "RIFF" || file.toString("latin1", 8, 12) !== "WAVE") {
    throw new Error(`${path} is no WAV file`);
  }
  let channels = 0;
  let rate = 0;
  for (let at = 12; at + 8 <= file.length; ) {
    const name = file.toString("latin1", at, at + 4);
    const size = Math.min(file.readUInt32LE(at + 4), file.length - at - 8);
    if (name === "fmt ") {
      channels = file.readUInt16LE(at + 10);
      rate = file.readUInt32LE(at + 12);
      if (file.readUInt16LE(at + 22) !== 16) throw new Error(`${path} is not PCM16`);
    } else if (name === "data") {
      const samples = new Int16Array(Math.floor(size / 2 / channels));
      for (let i = 0; i < samples.length; i++) samples[i] = file.readInt16LE(at + 8 + i * 2 * channels);
      return { samples, rate };
    }
    at += 8 + size + (size % 2);
  }
  throw new Error(`${path} holds no sound`);
}

/** So many ms of silence. */
export function silence(rate, ms) {
  return new Int16Array(Math.round((rate * ms) / 1000));
}

/** A mono PCM16 WAV file of the parts, one after the other. */
export function writeWav(parts, rate) {
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  const file = Buffer.alloc(44 + count * 2);
  file.write("RIFF", 0, "latin1");
  file.writeUInt32LE(36 + count * 2, 4);
  file.write("WAVEfmt ", 8, "latin1");
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(rate, 24);
  file.writeUInt32LE(rate * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36, "latin1");
  file.writeUInt32LE(count * 2, 40);
  let at = 44;
  for (const part of parts) {
    for (const sample of part) {
      file.writeInt16LE(sample, at);
      at += 2;
    }
  }
  return file;
}
