import { ApiError, api, type Credentials } from "./api";
import { backoffMs, closingOf, type OverReason } from "./close-codes";
import { Connection, type ConnectionEvents, type SessionConnection } from "./connection";
import type { ClientEvent, ServerEvent } from "./protocol";
import { RoomConnection, type RoomMedia } from "./room-connection";
import type { Link } from "./state";

export interface LinkHooks extends Omit<ConnectionEvents, "onClosed" | "onInterrupted"> {
  onLink(link: Link): void;
  /** The connection ended in a way that no retry mends. */
  onOver(reason: OverReason, detail: string): void;
  /** The server has no room to take the session back. */
  onFull(error: ApiError): void;
  /** Opens the session anew with the credentials that are there. Throws `ApiError`. */
  resume(): Promise<void>;
  credentials(): Credentials | null;
  /** Whether answers are to be spoken. */
  isAloud(): boolean;
  /** What a LiveKit room needs of the page; null where the server has no rooms. */
  rooms(): RoomMedia | null;
  /** The room could not be had, and the call goes directly to the server. */
  onDirect(): void;
}

/** A connection that lasted so long was a good one: the backoff begins anew, in ms. */
const GOOD_AFTER_MS = 3_000;
/** Refused handshakes while the API answers, after which typing by HTTP is offered. */
const TEXT_ONLY_AFTER = 3;
const TEXT_ONLY_RETRY_MS = 15_000;
/** For so long a session that was handed over is looked for, in ms, before the caller is shown that there is no connection. */
const MOVING_FOR_MS = 10_000;
/** Between two looks, in ms. */
const MOVING_STEP_MS = 200;
/** What the caller says while the session moves is kept and sent afterwards: so many frames of 20 ms. */
const KEPT_FRAMES = 150;

/** Keeps one voice connection alive, as docs/protocol.md ("Reconnecting") has it. */
export class LinkKeeper {
  private connection: SessionConnection | null = null;
  /** The session whose calls go directly to the server, because no room could be had. */
  private direct: string | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private attempt = 0;
  private refusals = 0;
  private openedAtMs = 0;
  private why: "dropped" | "restarting" | "slow" | "moved" = "dropped";
  /** Until when a session that was handed over is looked for without a word about it, on the page's clock; 0: none was. */
  private movingUntilMs = 0;
  private keptFrames: Int16Array[] = [];
  /** Grows with every start and stop, so that an answer that comes late is told from one that is wanted. */
  private generation = 0;

  constructor(private readonly hooks: LinkHooks) {}

  /** Whether the connection that is open has answers spoken; null when none is. */
  get isAloud(): boolean | null {
    return this.connection?.isOpen === true ? this.connection.aloud : null;
  }

  /** Whether sound goes through a LiveKit room. */
  get isRoom(): boolean {
    return this.connection?.isRoom === true;
  }

  get droppedFrames(): number {
    return this.connection?.droppedFrames ?? 0;
  }

  open(): void {
    this.stop();
    this.attempt = 0;
    this.refusals = 0;
    this.connect();
  }

  stop(): void {
    this.generation++;
    this.settled();
    clearTimeout(this.timer);
    this.timer = undefined;
    this.connection?.close();
    this.connection = null;
  }

  send(event: ClientEvent): boolean {
    return this.connection?.send(event) ?? false;
  }

  sendFrame(pcm: Int16Array): void {
    if (this.isMoving) {
      this.keptFrames.push(pcm);
      if (this.keptFrames.length > KEPT_FRAMES) this.keptFrames.shift();
      return;
    }
    this.connection?.sendFrame(pcm);
  }

  private get isMoving(): boolean {
    return performance.now() < this.movingUntilMs;
  }

  /** The session was found, or is given up: what was said meanwhile goes to whoever is there now. */
  private settled(): void {
    this.movingUntilMs = 0;
    for (const pcm of this.keptFrames) this.connection?.sendFrame(pcm);
    this.keptFrames = [];
  }

  /** Tries now instead of waiting: the network came back, or somebody pressed the button. */
  retryNow(): void {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.connect();
  }

  private connect(): void {
    const session = this.hooks.credentials();
    if (session === null) return;
    if (this.attempt === 0 && this.refusals === 0 && !this.isMoving) this.hooks.onLink({ name: "connecting" });
    this.openedAtMs = performance.now();
    const events: ConnectionEvents = {
      onEvent: (event) => this.handleEvent(event),
      onFrame: (pcm) => this.hooks.onFrame(pcm),
      onRtt: (rttMs) => this.hooks.onRtt(rttMs),
      onInterrupted: () => this.handleInterrupted(),
      onClosed: (code, reason, opened) => this.handleClosed(code, reason, opened),
    };
    const aloud = this.hooks.isAloud();
    // Somebody who only reads needs no room.
    const media = aloud && this.direct !== session.sessionId ? this.hooks.rooms() : null;
    this.connection =
      media === null ? new Connection(session, aloud, events) : new RoomConnection(session, media, events);
  }

  private handleInterrupted(): void {
    if (this.isMoving) return;
    this.hooks.onLink({ name: "waiting", attempt: 0, why: "dropped", retryAtMs: Date.now() });
  }

  private handleEvent(event: ServerEvent): void {
    if (event.type === "hand_over") this.movingUntilMs = performance.now() + MOVING_FOR_MS;
    this.hooks.onEvent(event);
    if (event.type === "ready") this.settled();
  }

  private handleClosed(code: number, reason: string, opened: boolean): void {
    const wasRoom = this.isRoom;
    this.connection = null;
    if (wasRoom && !opened) {
      this.direct = this.hooks.credentials()?.sessionId ?? null;
      this.hooks.onDirect();
      this.connect();
      return;
    }
    if (this.isMoving && (!opened || closingOf(code).action === "reconnect")) {
      // The next process may not be there yet, or whoever sends callers does not know of it.
      this.timer = setTimeout(() => this.fire(), opened ? 0 : MOVING_STEP_MS);
      return;
    }
    if (!opened) {
      this.refusals++;
      void this.handleRefusal();
      return;
    }
    this.refusals = 0;
    const closing = closingOf(code);
    if (closing.action === "over") {
      this.hooks.onOver(closing.reason, reason);
      return;
    }
    if (performance.now() - this.openedAtMs > GOOD_AFTER_MS) this.attempt = 0;
    this.why = closing.why;
    this.retryIn(closing.atOnce && this.attempt === 0 ? 0 : backoffMs(this.attempt));
  }

  /** A browser does not tell why a handshake was refused, so the API is asked. */
  private async handleRefusal(): Promise<void> {
    const generation = this.generation;
    const session = this.hooks.credentials();
    if (session === null) return;
    try {
      const alive = this.refusals < 2 && (await this.isAlive(session));
      if (generation !== this.generation) return;
      if (!alive) await this.hooks.resume();
      if (generation !== this.generation) return;
      if (this.refusals >= TEXT_ONLY_AFTER) this.typeOnly();
      else this.retryIn(alive ? 0 : backoffMs(0));
    } catch (error) {
      if (generation === this.generation) this.handleApiError(error);
    }
  }

  private async isAlive(session: Credentials): Promise<boolean> {
    try {
      await api.history(session);
      return true;
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 404)) return false;
      throw error;
    }
  }

  private handleApiError(error: unknown): void {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === "full") {
      this.hooks.onFull(error);
    } else if (error.status >= 400 && error.status < 500 && error.status !== 429) {
      this.hooks.onOver("gone", error.message);
    } else {
      // Nobody there yet, or one that still starts or already stops: the next try is a fresh handshake, and the microphone stays open.
      this.refusals = 0;
      this.retryIn(backoffMs(this.attempt));
    }
  }

  private typeOnly(): void {
    this.hooks.onLink({ name: "text_only" });
    this.timer = setTimeout(() => this.fire(), TEXT_ONLY_RETRY_MS);
  }

  private retryIn(delayMs: number): void {
    const retryAtMs = Date.now() + delayMs;
    this.hooks.onLink({ name: "waiting", attempt: this.attempt, why: this.why, retryAtMs });
    this.attempt++;
    this.timer = setTimeout(() => this.fire(), delayMs);
  }

  private fire(): void {
    this.timer = undefined;
    if (!this.isMoving) this.settled();
    this.connect();
  }
}
