import { NOWHERE } from "../audio/voice-out";
import { Access } from "./access";
import { ApiError, api, type CreatedSession, type Credentials } from "./api";
import { backoffMs, type OverReason, reasonOf } from "./close-codes";
import { wordingOf } from "./consent";
import { LinkKeeper } from "./link-keeper";
import type { ServerEvent } from "./protocol";
import { PushToTalk } from "./push-to-talk";
import { unsentOf } from "./reducer";
import type { RoomMedia } from "./room-connection";
import { ScreenShare } from "./screen";
import { isAloud, isSilenced, type TalkMode } from "./state";
import { type Mode, storage } from "./storage";
import { Store } from "./store";
import { TaskDesk } from "./task-desk";
import { Typing } from "./typing";
import { Voice, type VoiceEvents } from "./voice";

/** How long a goodbye may take before the session is ended by HTTP, in ms. */
const GOODBYE_MS = 1_500;
/** What a full server that names no time is given, in s. */
const RETRY_AFTER_S = 10;
/** What is said when a room could not be had. */
const DIRECT = "LiveKit cannot be reached from here. Your call goes directly to the server instead.";
/** What is said to who wants to be recorded and cannot be. */
const NOT_YET = "There is no connection just now. Once it is back, recording can be switched on.";
/** The step of the backoff with which a server that cannot be reached is asked again: about a second. */
const FIRST_TRY = 2;

/** One conversation on this page: everything that a button, the server or the network sets in motion. */
export class SessionController {
  readonly store = new Store();
  readonly voice: Voice;
  readonly tasks: TaskDesk;
  readonly typing: Typing;
  readonly push: PushToTalk;
  readonly screen: ScreenShare;
  private readonly access = new Access(window);
  private readonly link: LinkKeeper;
  private session: Credentials | null = null;
  private greeting = "";
  /** Frames that the microphone gave, sent or not. */
  capturedFrames = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  /** How often the server could not be reached, one time after another. */
  private unreached = 0;
  /** Consent to recording was withdrawn, and the server could not be told yet. */
  private withdrawn = false;
  /** Grows with every beginning and end: an answer that comes after its conversation was given up is told by it. */
  private generation = 0;
  /** What the microphone and the server were told last. */
  private silenced = true;
  /** What was kept last of what was typed. */
  private keptDraft = storage.draft();
  private keptWaiting = storage.waiting();

  constructor(onTap?: VoiceEvents["onTap"]) {
    this.voice = new Voice(this.store, {
      onFrame: (pcm) => this.handleCaptured(pcm),
      onPlayed: (speechId, playedMs) =>
        void this.link.send({ type: "playout", speech_id: speechId, played_ms: playedMs }),
      onTap,
    });
    this.link = new LinkKeeper({
      credentials: () => this.session,
      onEvent: (event) => this.handleEvent(event),
      onFrame: (pcm) => this.voice.out.frame(pcm),
      onRtt: (rttMs) => this.store.dispatch({ type: "rtt", rttMs }),
      onLink: (link) => {
        if (link.name !== "connecting") this.voice.out.connectionLost();
        this.store.dispatch({ type: "link", link });
        if (link.name !== "text_only") return;
        this.showGreeting();
        void this.typing.sendWaitingByHttp();
        void this.withdrawByHttp();
      },
      onOver: (reason, detail) => this.finish(reason, detail),
      onFull: (error) => this.handleFull(error),
      resume: () => this.resume(),
      isAloud: () => isAloud(this.store.state),
      rooms: () => (document.documentElement.dataset.rooms === "true" ? this.roomMedia() : null),
      onDirect: () => this.store.dispatch({ type: "notice", notice: DIRECT }),
    });
    this.tasks = new TaskDesk(this.store, () => this.session);
    this.typing = new Typing(this.store, {
      credentials: () => this.session,
      send: (event) => this.link.send(event),
      readTasks: (tells) => this.tasks.refresh(tells),
    });
    this.push = new PushToTalk(this.store);
    this.screen = new ScreenShare(this.store, (event) => this.link.send(event));
    this.push.listen(window);
    const { microphoneId, talkMode } = storage.audio();
    this.store.dispatch({ type: "microphone_chosen", id: microphoneId });
    this.store.dispatch({ type: "talk_mode", talkMode });
    this.store.dispatch({ type: "records", records: document.documentElement.dataset.records === "true" });
    this.store.dispatch({ type: "draft", text: this.keptDraft });
    this.store.subscribe(() => this.applySilence());
    this.store.subscribe(() => this.applyAloud());
    this.store.subscribe(() => this.keepDraft());
    window.addEventListener("online", () => this.handleOnline());
  }

  /** Whether sound goes through a LiveKit room. */
  get isRoom(): boolean {
    return this.link.isRoom;
  }

  get droppedFrames(): number {
    return this.link.droppedFrames;
  }

  /** Goes on with the session of before a reload, if this tab has one. */
  async restore(): Promise<void> {
    const kept = storage.load();
    if (kept === null) return;
    // Before the first change of the state, which keeps what waits then.
    const waiting = this.keptWaiting;
    this.session = kept;
    this.withdrawn = kept.withdrawn === true;
    this.store.dispatch({ type: "starting", mode: kept.mode });
    for (const text of waiting) this.store.dispatch({ type: "typed", text, sent: false });
    // Who was muted before the reload has not said that they want to be heard.
    if (kept.muted === true) this.store.dispatch({ type: "muted", muted: true });
    await this.begin(kept.mode, true);
  }

  /** The caller has chosen: this is the consent, and the touch of the page that lets sound and microphone begin. */
  async start(mode: Mode): Promise<void> {
    this.forget();
    this.store.dispatch({ type: "starting", mode });
    await this.begin(mode, true);
  }

  /** Tries again after `full` or `refused`. Nobody's microphone is opened for a try that may fail. */
  async retry(): Promise<void> {
    clearTimeout(this.retryTimer);
    const { mode, phase } = this.store.state;
    if (phase.name === "full" || phase.name === "refused") await this.begin(mode, false);
  }

  /** Back to the dialog: a new conversation needs a new consent. The old one is not left waiting for somebody who has given it up. */
  again(): void {
    const { phase } = this.store.state;
    // Another tab has it.
    const isElsewhere = phase.name === "over" && phase.reason === "taken";
    const given = isElsewhere ? null : this.session;
    this.reset();
    if (given !== null) void this.hangUp(given);
  }

  private reset(): void {
    this.leave();
    this.forget();
    this.store.dispatch({ type: "reset" });
  }

  /** Takes the session back from another tab, or opens it again after a fault of the protocol. */
  async takeBack(): Promise<void> {
    const { mode, recording, phase } = this.store.state;
    const { generation, session } = this;
    const wasElsewhere = phase.name === "over" && phase.reason === "taken";
    this.store.dispatch({ type: "session_open", recording });
    if (mode !== "type") await this.voice.open();
    if (wasElsewhere && session !== null && generation === this.generation) await this.loadHistory(session, true);
    if (generation === this.generation) this.link.open();
  }

  /** Hangs up. */
  async end(): Promise<void> {
    const { session, generation } = this;
    const told = this.link.send({ type: "end" });
    if (told) await new Promise((resolve) => setTimeout(resolve, GOODBYE_MS));
    // The server has ended it, and another conversation may be under way by now.
    if (session === null || generation !== this.generation) return;
    // First here: a server that does not answer must not keep the microphone open.
    this.finish("ended", "");
    await this.hangUp(session);
  }

  private async hangUp(session: Credentials): Promise<void> {
    try {
      await api.endSession(session);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // The server ends a session that nobody comes back to by itself; the caller need not wait for it.
    }
  }

  setMuted(muted: boolean): void {
    this.push.drop();
    this.store.dispatch({ type: "muted", muted });
    this.keep();
  }

  /** Whether the microphone is open all the time, or only while the space bar or the button is held. */
  setTalkMode(talkMode: TalkMode): void {
    this.push.drop();
    this.store.dispatch({ type: "talk_mode", talkMode });
    this.keep();
  }

  /** Uses another microphone, now and from now on. */
  async chooseMicrophone(id: string): Promise<void> {
    this.store.dispatch({ type: "microphone_chosen", id });
    this.keep();
    await this.openMicrophone();
  }

  setRecording(recording: boolean): void {
    const told = this.link.send({ type: "consent", recording });
    // Nobody is recorded later who may think otherwise by then.
    if (recording && !told) {
      this.store.dispatch({ type: "notice", notice: NOT_YET, untilOpen: true });
      return;
    }
    // What went into a connection that is gone was told to nobody: it is said again until the server has said that it does not record.
    this.withdrawn = !recording;
    this.keep();
    // Shown at once when it is withdrawn; agreed to only when the server says that it records.
    if (recording) return;
    this.store.dispatch({ type: "server", event: { type: "recording", enabled: false } });
    if (this.store.state.link.name === "text_only") void this.withdrawByHttp();
  }

  /** Where no socket gets through, a consent is withdrawn as whoever comes back does it. */
  private async withdrawByHttp(): Promise<void> {
    const { session } = this;
    if (session === null || !this.withdrawn) return;
    try {
      await api.createSession({ resume: session, withdrawn: true, access: this.access.token });
      if (session !== this.session) return;
      this.withdrawn = false;
      this.keep();
    } catch (error) {
      // It is told again with the next connection.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** Turns the microphone on in mid-conversation, or tries again after a refusal. */
  async openMicrophone(): Promise<void> {
    if (!(await this.voice.open()) || this.store.state.mode !== "type") return;
    this.store.dispatch({ type: "mode", mode: "talk" });
    this.keep();
  }

  /** Goes on by typing: the microphone is let go, and nothing asks for it again. */
  typeInstead(): void {
    this.voice.closeMicrophone();
    if (this.store.state.recording) this.setRecording(false);
    this.store.dispatch({ type: "mode", mode: "type" });
    this.keep();
  }

  async unblockSound(): Promise<void> {
    await this.voice.unblock();
  }

  reconnectNow(): void {
    this.link.retryNow();
  }

  private async begin(mode: Mode, microphoneFirst: boolean): Promise<void> {
    const generation = ++this.generation;
    // The microphone comes first: the permission is asked for while the person expects it, and nobody is greeted
    // who still looks for the right button.
    if (microphoneFirst && mode !== "type") await this.voice.open();
    if (generation === this.generation) await this.openSession(mode);
  }

  private async openSession(mode: Mode): Promise<void> {
    const resuming = this.session;
    const generation = this.generation;
    const access = this.access.token;
    try {
      const opened = await api.createSession(
        resuming === null
          ? {
              resume: null,
              recording: mode === "record",
              wording: wordingOf(mode, this.store.state.records),
              userId: storage.userId(),
              access,
            }
          : { resume: resuming, withdrawn: this.withdrawn, access },
      );
      // After a wait the microphone comes only now that there is somebody to hear it.
      const silent = mode !== "type" && this.store.state.microphone === "off";
      if (generation === this.generation && silent) await this.voice.open();
      if (generation !== this.generation) {
        // Given up while it was being opened: nobody would ever come for it.
        if (resuming === null) await api.endSession(opened);
        return;
      }
      if (resuming !== null && opened.resumed) await this.loadHistory(opened);
      this.adopt(opened, mode);
      this.link.open();
      await this.tasks.refresh();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (generation === this.generation) this.handleRefused(error, resuming !== null);
    }
  }

  /** What was said before; `anew`: in place of what stands here, which is no longer all of it. */
  private async loadHistory(session: Credentials, anew = false): Promise<void> {
    const { generation } = this;
    try {
      const lines = await api.history(session);
      if (generation === this.generation) this.store.dispatch({ type: "history", lines, anew });
    } catch (error) {
      // The conversation goes on without its beginning on the screen.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  private handleRefused(error: ApiError, resuming: boolean): void {
    if (error.status === 503 || error.status === 429) {
      this.handleFull(error);
    } else if (error.unreachable) {
      this.handleUnreachable(error);
    } else if (resuming && (error.status === 404 || (error.status === 401 && this.access.token === null))) {
      this.reset();
      this.store.dispatch({ type: "notice", notice: "Your last conversation has ended. This is a new one." });
    } else {
      if (error.status === 401) this.access.forget();
      this.leave();
      this.store.dispatch({ type: "refused", status: error.status, message: error.message, retryAtMs: null });
    }
  }

  private adopt(opened: CreatedSession, mode: Mode): void {
    this.unreached = 0;
    this.session = { sessionId: opened.sessionId, token: opened.token };
    this.greeting = opened.greeting;
    this.keep();
    const recording = opened.resumed ? this.store.state.recording : mode === "record" && !this.withdrawn;
    this.store.dispatch({ type: "session_open", recording });
  }

  /** The connection's way back into a session that the server no longer has in memory. */
  private async resume(): Promise<void> {
    const mode = this.store.state.mode;
    if (this.session === null) return;
    const opened = await api.createSession({
      resume: this.session,
      withdrawn: this.withdrawn,
      access: this.access.token,
    });
    if (!opened.resumed) {
      const { microphone, muted, sound } = this.store.state;
      this.store.dispatch({ type: "starting", mode });
      this.store.dispatch({ type: "muted", muted });
      this.store.dispatch({ type: "sound", sound });
      this.store.dispatch({ type: "microphone", microphone });
      this.store.dispatch({ type: "notice", notice: "The earlier conversation could not be restored." });
    }
    this.adopt(opened, mode);
    await this.tasks.refresh();
  }

  private handleFull(error: ApiError): void {
    this.link.stop();
    // Nobody's microphone stays open while they wait for a line, and no screen is shared.
    this.screen.stop();
    void this.voice.close();
    const retryAtMs = this.retryIn((error.retryAfterS ?? RETRY_AFTER_S) * 1000);
    this.store.dispatch({ type: "full", retryAtMs, message: error.message, busy: error.code === "full" });
  }

  /** Nobody answers: asked again and again, however long that takes, for nothing else tells that the server is back. */
  private handleUnreachable(error: ApiError): void {
    this.leave();
    const retryAtMs = this.retryIn(backoffMs(FIRST_TRY + this.unreached++));
    this.store.dispatch({ type: "refused", status: 0, message: error.message, retryAtMs });
  }

  /** Sets the next try, and says when it will be. */
  private retryIn(ms: number): number {
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => void this.retry(), ms);
    return Date.now() + ms;
  }

  private handleCaptured(pcm: Int16Array): void {
    this.capturedFrames++;
    if (!isSilenced(this.store.state)) this.link.sendFrame(pcm);
  }

  private handleEvent(event: ServerEvent): void {
    // In a room the agent's voice comes as sound, and stops by itself.
    const out = this.link.isRoom ? NOWHERE : this.voice.out;
    if (event.type === "speech_started") out.start(event.speech_id, 0);
    else if (event.type === "speech_resumed") out.start(event.speech_id, event.from_ms);
    else if (event.type === "speech_finished") out.finish(event.speech_id, event.duration_ms);
    else if (event.type === "clear") out.clear(event.speech_id);
    this.store.dispatch({ type: "server", event });
    if (event.type === "look" && this.link.isRoom) this.screen.handleLooked();
    else if (event.type === "look") void this.screen.look(event.look_id);
    if (event.type === "recording" && !event.enabled) this.withdrawn = false;
    if (event.type === "ready") this.handleReady();
    else if (event.type === "ended") this.finish(reasonOf(event.reason), event.reason);
  }

  private roomMedia(): RoomMedia {
    return {
      microphone: () => this.voice.microphone,
      screen: () => this.screen.track,
      play: (voice) => this.voice.play(voice),
      onMicrophone: (listener) => this.voice.onMicrophone(listener),
    };
  }

  private handleReady(): void {
    this.tellSilence();
    this.applyAloud();
    this.screen.handleReady();
    this.typing.sendWaiting();
    if (this.withdrawn) this.setRecording(false);
  }

  /** The microphone, and the server, know at once whether frames will come. */
  private applySilence(): void {
    const silenced = isSilenced(this.store.state);
    if (silenced === this.silenced) return;
    this.silenced = silenced;
    this.voice.setMuted(silenced);
    this.tellSilence();
  }

  /** Whether answers are spoken is settled when a connection begins: another wish takes another connection. */
  private applyAloud(): void {
    const { isAloud: now } = this.link;
    if (now === null || now === isAloud(this.store.state)) return;
    this.voice.out.connectionLost();
    this.link.open();
  }

  private keepDraft(): void {
    const { draft, pending } = this.store.state;
    if (draft !== this.keptDraft) {
      this.keptDraft = draft;
      storage.saveDraft(draft);
    }
    const waiting = unsentOf(pending);
    if (waiting.join("\n") === this.keptWaiting.join("\n")) return;
    this.keptWaiting = waiting;
    storage.saveWaiting(waiting);
  }

  private tellSilence(): void {
    this.link.send({ type: "mute", muted: this.silenced });
  }

  /** What a reload, and the next conversation, should find as it is. */
  private keep(): void {
    const { mode, muted, microphoneId, talkMode } = this.store.state;
    storage.saveAudio({ microphoneId, talkMode });
    if (this.session !== null) storage.save({ ...this.session, mode, muted, withdrawn: this.withdrawn });
  }

  private handleOnline(): void {
    this.link.retryNow();
    const { phase } = this.store.state;
    if (phase.name === "refused" && phase.status === 0) void this.retry();
  }

  private showGreeting(): void {
    if (this.store.state.lines.length > 0 || this.greeting === "") return;
    this.store.dispatch({ type: "said", who: "agent", text: this.greeting });
  }

  /** Nothing of the session is known here any more. */
  private forget(): void {
    storage.clear();
    this.session = null;
    this.withdrawn = false;
  }

  private finish(reason: OverReason, detail: string): void {
    this.leave();
    // A session that another tab holds, or that a fault of ours cut off, can be taken back; the others are no more.
    if (reason !== "taken" && reason !== "protocol") {
      this.forget();
    }
    this.store.dispatch({ type: "over", reason, detail });
  }

  private leave(): void {
    this.generation++;
    this.push.drop();
    clearTimeout(this.retryTimer);
    this.link.stop();
    this.tasks.dismissUndo();
    this.screen.stop();
    void this.voice.close();
  }
}
