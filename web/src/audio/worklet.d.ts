/** The few names of the AudioWorklet's global scope that the two processors use (TypeScript's DOM library has none). */
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
  process(inputs: Float32Array[][], outputs: Float32Array[][], parameters: Record<string, Float32Array>): boolean;
}

declare function registerProcessor(
  name: string,
  processor: new (options: { processorOptions?: unknown }) => AudioWorkletProcessor,
): void;

/** The context's rate in Hz. */
declare const sampleRate: number;
