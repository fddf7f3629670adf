import { ApiError, api, type Credentials } from "./api";
import type { ClientEvent } from "./protocol";
import type { Store } from "./store";

/** What typing needs of the call. */
export interface TypingHooks {
  credentials(): Credentials | null;
  /** Sends an event by the connection; false when there is none. */
  send(event: ClientEvent): boolean;
  /** Reads the list anew: a message may have changed it. A failure is told only where nothing more important is. */
  readTasks(tells: boolean): Promise<void>;
}

/** Typed messages on their way: by the connection, by HTTP where sockets do not get through, or as soon as there is either. */
export class Typing {
  constructor(
    private readonly store: Store,
    private readonly hooks: TypingHooks,
  ) {}

  async send(text: string): Promise<void> {
    const sent = this.hooks.send({ type: "text", text });
    this.store.dispatch({ type: "typed", text, sent });
    if (!sent && this.store.state.link.name === "text_only") await this.sendWaitingByHttp();
  }

  /** What was typed while there was no connection goes out, in the order in which it was typed. */
  sendWaiting(): void {
    for (const { key, text } of this.store.state.pending.filter(({ sent }) => !sent)) {
      if (this.hooks.send({ type: "text", text })) this.store.dispatch({ type: "typed_sent", key });
    }
  }

  async sendWaitingByHttp(): Promise<void> {
    const session = this.hooks.credentials();
    if (this.store.state.sending) return;
    for (;;) {
      const next = this.store.state.pending.find(({ sent }) => !sent);
      if (next === undefined || session === null || session !== this.hooks.credentials()) return;
      this.store.dispatch({ type: "sending", sending: true });
      try {
        await this.sendByHttp(session, next.key, next.text);
      } finally {
        this.store.dispatch({ type: "sending", sending: false });
      }
    }
  }

  private async sendByHttp(session: Credentials, key: string, text: string): Promise<void> {
    try {
      this.store.dispatch({ type: "typed_sent", key });
      const { reply } = await api.sendText(session, text);
      this.store.dispatch({ type: "server", event: { type: "user_text", text } });
      this.store.dispatch({ type: "said", who: "agent", text: reply });
      await this.hooks.readTasks(true);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.store.dispatch({ type: "typed_back", key });
      // An answer that did not come says nothing of whether the message did, and the next connection will not tell either.
      if (!error.unreachable)
        return this.notify(`Your message could not be sent; it is in the text box again. ${error.message}`, true);
      this.notify(`“${text}” may have arrived. Look before you send it again: it is in the text box.`, false);
      await this.hooks.readTasks(false);
    }
  }

  private notify(notice: string, untilOpen: boolean): void {
    this.store.dispatch({ type: "notice", notice, untilOpen });
  }
}
