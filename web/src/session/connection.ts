import type { Credentials } from "./api";
import { type ClientEvent, decodeEvent, PROTOCOL, type ServerEvent } from "./protocol";

/** Bytes that may wait in the socket before the caller's frames are dropped: half a second of speech. */
const BACKLOG_BYTES = 16_000;
const PING_EVERY_MS = 5_000;
/** A connection that leaves a ping unanswered for so long is dead, whatever the network says. */
const PONG_WITHIN_MS = 12_000;
const OPEN_WITHIN_MS = 10_000;

export interface ConnectionEvents {
  onEvent(event: ServerEvent): void;
  onFrame(pcm: Int16Array): void;
  onRtt(rttMs: number): void;
  /** What is said now may not arrive; a `ready` follows, or the end. */
  onInterrupted(): void;
  /** The connection is over; `opened` says whether the handshake had succeeded. Comes once. */
  onClosed(code: number, reason: string, opened: boolean): void;
}

/** A session's way to its agent, whatever carries it. */
export interface SessionConnection {
  readonly isOpen: boolean;
  /** Whether answers are to be spoken; without, they come in writing only. */
  readonly aloud: boolean;
  /** The agent's voice, and the caller's, are tracks of a LiveKit room, and no frames. */
  readonly isRoom: boolean;
  readonly droppedFrames: number;
  /** Sends an event; false when there is no connection to send it on. */
  send(event: ClientEvent): boolean;
  sendFrame(pcm: Int16Array): void;
  /** Leaves without a word to the listener. */
  close(): void;
}

/** One WebSocket of a session: encodes, decodes, pings, and notices its own death. No retries: that is above it. */
export class Connection implements SessionConnection {
  readonly isRoom = false;
  /** Frames of the caller that were dropped because the network was too slow. */
  droppedFrames = 0;
  private readonly socket: WebSocket;
  private opened = false;
  private closed = false;
  private pingTimer: ReturnType<typeof setInterval> | undefined;
  private readonly openTimer: ReturnType<typeof setTimeout>;
  private unanswered: number | null = null;

  constructor(
    session: Credentials,
    readonly aloud: boolean,
    private readonly events: ConnectionEvents,
  ) {
    const url = new URL(`/api/sessions/${encodeURIComponent(session.sessionId)}/audio`, location.href);
    url.searchParams.set("answers", aloud ? "voice" : "text");
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(url, [PROTOCOL, `token.${session.token}`]);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.handleOpen();
    this.socket.onmessage = (message: MessageEvent<unknown>) => this.handleMessage(message.data);
    this.socket.onclose = (event) => this.finish(event.code, event.reason);
    this.openTimer = setTimeout(() => this.abandon("no answer to the handshake"), OPEN_WITHIN_MS);
  }

  get isOpen(): boolean {
    return this.opened && !this.closed;
  }

  send(event: ClientEvent): boolean {
    if (!this.isOpen) return false;
    this.socket.send(JSON.stringify(event));
    return true;
  }

  /** Sends a frame of the caller, or drops it: old sound is worth less than none. */
  sendFrame(pcm: Int16Array): void {
    if (!this.isOpen) return;
    if (this.socket.bufferedAmount > BACKLOG_BYTES) {
      this.droppedFrames++;
      return;
    }
    this.socket.send(pcm as Int16Array<ArrayBuffer>);
  }

  close(): void {
    this.closed = true;
    this.stopTimers();
    this.socket.close(1000);
  }

  private handleOpen(): void {
    clearTimeout(this.openTimer);
    this.opened = true;
    this.ping();
    this.pingTimer = setInterval(() => this.ping(), PING_EVERY_MS);
  }

  private handleMessage(data: unknown): void {
    if (this.closed) return;
    if (data instanceof ArrayBuffer) {
      if (data.byteLength % 2 === 0) this.events.onFrame(new Int16Array(data));
      return;
    }
    const event = decodeEvent(String(data));
    if (event === null) return;
    if (event.type === "pong") {
      this.unanswered = null;
      this.events.onRtt(Math.max(0, Math.round(performance.now() - event.t)));
    }
    this.events.onEvent(event);
  }

  private ping(): void {
    const now = performance.now();
    if (this.unanswered !== null && now - this.unanswered > PONG_WITHIN_MS) {
      this.abandon("no answer to a ping");
      return;
    }
    this.unanswered ??= now;
    this.send({ type: "ping", t: now });
  }

  private abandon(reason: string): void {
    // A dead peer never answers the close, so its event is not waited for.
    this.socket.close();
    this.finish(1006, reason);
  }

  private finish(code: number, reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.stopTimers();
    this.events.onClosed(code, reason, this.opened);
  }

  private stopTimers(): void {
    clearTimeout(this.openTimer);
    clearInterval(this.pingTimer);
  }
}
