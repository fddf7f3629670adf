import { ApiError, api, type Credentials } from "./api";
import { backoffMs, closingOf, type OverReason } from "./close-codes";
import { Connection, type ConnectionEvents } from "./connection";
import type { ClientEvent } from "./protocol";
import type { Link } from "./state";

export interface LinkHooks extends Omit<ConnectionEvents, "onClosed"> {
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
}

/** A connection that lasted so long was a good one: the backoff begins anew, in ms. */
const GOOD_AFTER_MS = 3_000;
/** Refused handshakes while the API answers, after which typing by HTTP is offered. */
const TEXT_ONLY_AFTER = 3;
const TEXT_ONLY_RETRY_MS = 15_000;

/** Keeps one voice connection alive, as docs/protocol.md ("Reconnecting") has it. */
export class LinkKeeper {
  private connection: Connection | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private attempt = 0;
  private refusals = 0;
  private openedAtMs = 0;
  private why: "dropped" | "restarting" | "slow" = "dropped";
  /** Grows with every start and stop, so that an answer that comes late is told from one that is wanted. */
  private generation = 0;

  constructor(private readonly hooks: LinkHooks) {}

  /** Whether the connection that is open has answers spoken; null when none is. */
  get isAloud(): boolean | null {
    return this.connection?.isOpen === true ? this.connection.aloud : null;
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
    clearTimeout(this.timer);
    this.timer = undefined;
    this.connection?.close();
    this.connection = null;
  }

  send(event: ClientEvent): boolean {
    return this.connection?.send(event) ?? false;
  }

  sendFrame(pcm: Int16Array): void {
    this.connection?.sendFrame(pcm);
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
    if (this.attempt === 0 && this.refusals === 0) this.hooks.onLink({ name: "connecting" });
    this.openedAtMs = performance.now();
    this.connection = new Connection(session, this.hooks.isAloud(), {
      onEvent: (event) => this.hooks.onEvent(event),
      onFrame: (pcm) => this.hooks.onFrame(pcm),
      onRtt: (rttMs) => this.hooks.onRtt(rttMs),
      onClosed: (code, reason, opened) => this.handleClosed(code, reason, opened),
    });
  }

  private handleClosed(code: number, reason: string, opened: boolean): void {
    this.connection = null;
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
    if (error.status === 503) {
      this.hooks.onFull(error);
    } else if (error.status >= 400 && error.status < 500 && error.status !== 429) {
      this.hooks.onOver("gone", error.message);
    } else {
      // Nobody there yet: the next try is a fresh handshake.
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
    this.connect();
  }
}
