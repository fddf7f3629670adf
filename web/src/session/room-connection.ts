import type { LocalTrack, LocalTrackPublication, RemoteParticipant, Room } from "livekit-client";
import { api, type Credentials } from "./api";
import type { ConnectionEvents, SessionConnection } from "./connection";
import { type ClientEvent, decodeClosed, decodeEvent, PROTOCOL } from "./protocol";

type LiveKit = typeof import("livekit-client");

/** From the first step until the agent has taken the session. Somebody who waits longer is better served by the direct way. */
const OPEN_WITHIN_MS = 10_000;
/** In a room whose agent is gone another one is waited for: a dead process is noticed after two seconds, a stopped one tells the next. */
const AGENT_WITHIN_MS = 8_000;
/** What is said to somebody whose media is not connected is lost, so it is said until it is answered. */
const GREET_EVERY_MS = 200;
const PING_EVERY_MS = 5_000;
/** An agent that leaves a ping unanswered for so long is gone, whatever the room says. */
const PONG_WITHIN_MS = 12_000;
/** A shared screen is looked at now and then, and read: its print matters, and its movement does not. */
const SCREEN = { maxBitrate: 3_000_000, maxFramerate: 5 };

/** What a room needs of the page's sound and screen. */
export interface RoomMedia {
  microphone(): MediaStreamTrack | null;
  screen(): MediaStreamTrack | null;
  /** Lets the agent's voice be heard; null when it is gone. */
  play(voice: MediaStreamTrack | null): void;
  /** Calls `listener` when another microphone is open, or none, until the returned function is called. */
  onMicrophone(listener: () => void): () => void;
}

/**
 * A session's connection through a LiveKit room: sound and a shared screen are tracks, and everything else is the same protocol
 * as on the WebSocket, as text streams. Losses of the network are LiveKit's to mend; another agent may come to the room in the place
 * of one that is gone.
 */
export class RoomConnection implements SessionConnection {
  readonly aloud = true;
  readonly isRoom = true;
  readonly droppedFrames = 0;
  private room: Room | null = null;
  private livekit: LiveKit | null = null;
  private agent: RemoteParticipant | null = null;
  /** The agent hears us, and was asked to take the session. */
  private begun = false;
  /** The agent has taken the session. */
  private ready = false;
  private opened = false;
  private closed = false;
  private muted = false;
  private microphone: LocalTrackPublication | null = null;
  private screen: LocalTrackPublication | null = null;
  /** Messages are read one after another, in the order in which they began. */
  private reading: Promise<void> = Promise.resolve();
  /** Messages are sent one after another. */
  private writing: Promise<void> = Promise.resolve();
  /** Changes of what is published, likewise. */
  private publishing: Promise<void> = Promise.resolve();
  private unanswered: number | null = null;
  private greetTimer: ReturnType<typeof setInterval> | undefined;
  private pingTimer: ReturnType<typeof setInterval> | undefined;
  private agentTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly openTimer: ReturnType<typeof setTimeout>;
  private readonly forgetMicrophone: () => void;

  constructor(
    session: Credentials,
    private readonly media: RoomMedia,
    private readonly events: ConnectionEvents,
  ) {
    this.openTimer = setTimeout(() => this.finish(1006, "no agent took the session in time"), OPEN_WITHIN_MS);
    this.forgetMicrophone = media.onMicrophone(() => this.syncMicrophone());
    void this.join(session);
  }

  get isOpen(): boolean {
    return this.ready && !this.closed;
  }

  send(event: ClientEvent): boolean {
    // What was heard, and what the screen shows, the agent knows from the room.
    if (event.type === "playout" || event.type === "picture") return true;
    if (event.type === "screen") {
      this.syncScreen();
      return true;
    }
    if (!this.isOpen) return false;
    if (event.type === "mute") {
      this.muted = event.muted;
      this.syncMicrophone();
    }
    this.write(event);
    return true;
  }

  /** The microphone is a track of the room. */
  sendFrame(): void {}

  close(): void {
    this.closed = true;
    this.letGo();
  }

  private async join(session: Credentials): Promise<void> {
    try {
      const [invitation, livekit] = await Promise.all([api.roomToken(session), import("livekit-client")]);
      if (this.closed) return;
      livekit.setLogLevel("error");
      this.livekit = livekit;
      const room = new livekit.Room({ dynacast: true, stopLocalTrackOnUnpublish: false });
      this.room = room;
      this.listen(livekit, room);
      await room.connect(invitation.url, invitation.token, { maxRetries: 0, websocketTimeout: OPEN_WITHIN_MS });
      if (this.closed) {
        this.letGo();
        return;
      }
      this.syncMicrophone();
      for (const participant of room.remoteParticipants.values()) this.meet(participant);
    } catch (error) {
      this.finish(1006, error instanceof Error ? error.message : "the room cannot be joined");
    }
  }

  private listen({ RoomEvent, Track }: LiveKit, room: Room): void {
    room.on(RoomEvent.ParticipantConnected, (participant) => this.meet(participant));
    room.on(RoomEvent.ParticipantDisconnected, (participant) => this.miss(participant));
    room.on(RoomEvent.TrackSubscribed, (track, _, participant) => {
      if (track.kind === Track.Kind.Audio && participant === this.agent) this.media.play(track.mediaStreamTrack);
    });
    room.on(RoomEvent.Reconnecting, () => this.interrupt());
    room.on(RoomEvent.Reconnected, () => this.handleReconnected());
    room.on(RoomEvent.Disconnected, () => this.finish(1006, "the room is gone"));
    room.registerTextStreamHandler(PROTOCOL, (reader, { identity }) => {
      const text = reader.readAll();
      // It is waited for below; one that breaks off before is no fault of the page's.
      text.catch(() => undefined);
      this.reading = this.reading.then(async () => this.read(identity, await text)).catch(() => undefined);
    });
  }

  /** The newest agent has the session, or will take it: one that is gone without a word is seen for a while. */
  private meet(participant: RemoteParticipant): void {
    if (participant.kind !== this.livekit?.ParticipantKind.AGENT || this.closed) return;
    clearTimeout(this.agentTimer);
    this.turnTo(participant);
  }

  private miss(participant: RemoteParticipant): void {
    if (participant !== this.agent || this.closed) return;
    this.agent = null;
    this.media.play(null);
    this.interrupt();
    clearTimeout(this.agentTimer);
    this.agentTimer = setTimeout(() => this.finish(1006, "the agent is gone, and no other came"), AGENT_WITHIN_MS);
    this.turnToOther();
  }

  /** One that came before may have the session: after a restart of LiveKit several come, and all but one leave again. It has to answer in time. */
  private turnToOther(): void {
    const isAgent = ({ kind }: RemoteParticipant) => kind === this.livekit?.ParticipantKind.AGENT;
    const other = [...(this.room?.remoteParticipants.values() ?? [])].filter(isAgent).at(-1);
    if (other !== undefined) this.turnTo(other);
  }

  private turnTo(agent: RemoteParticipant): void {
    this.agent = agent;
    for (const { track } of agent.audioTrackPublications.values()) {
      if (track !== undefined) this.media.play(track.mediaStreamTrack);
    }
    this.greet();
  }

  /** What is said now may not arrive. */
  private interrupt(): void {
    if (!this.ready) return;
    this.ready = false;
    this.stopPings();
    this.events.onInterrupted();
  }

  /** Something may have been missed, unless only signalling was away: the agent tells how things stand. */
  private handleReconnected(): void {
    if (!this.ready) this.greet();
  }

  /** Asks the agent whether it is there, until it is; then it is asked to take the session. */
  private greet(): void {
    this.begun = false;
    this.ready = false;
    this.stopPings();
    clearInterval(this.greetTimer);
    const ask = () => {
      if (this.agent !== null) this.write({ type: "ping", t: performance.now() });
    };
    this.greetTimer = setInterval(ask, GREET_EVERY_MS);
    ask();
  }

  private read(identity: string, text: string): void {
    if (this.closed || identity !== this.agent?.identity) return;
    const closed = decodeClosed(text);
    if (closed !== null) {
      this.finish(closed.code, closed.reason);
      return;
    }
    const event = decodeEvent(text);
    if (event === null) return;
    if (event.type === "pong") this.handlePong(event.t);
    // What an agent says before it was asked to begin is of a connection that is no more.
    if (!this.begun) return;
    if (event.type === "ready") this.handleReady();
    this.events.onEvent(event);
  }

  private handlePong(t: number): void {
    this.unanswered = null;
    this.events.onRtt(Math.max(0, Math.round(performance.now() - t)));
    if (this.begun) return;
    this.begun = true;
    clearInterval(this.greetTimer);
    this.write({ type: "begin" });
  }

  private handleReady(): void {
    clearTimeout(this.openTimer);
    clearTimeout(this.agentTimer);
    this.opened = true;
    this.ready = true;
    this.stopPings();
    this.pingTimer = setInterval(() => this.ping(), PING_EVERY_MS);
  }

  private ping(): void {
    const now = performance.now();
    if (this.unanswered !== null && now - this.unanswered > PONG_WITHIN_MS) {
      this.finish(1006, "no answer to a ping");
      return;
    }
    this.unanswered ??= now;
    this.write({ type: "ping", t: now });
  }

  private stopPings(): void {
    clearInterval(this.pingTimer);
    this.unanswered = null;
  }

  private write(event: ClientEvent | { type: "begin" }): void {
    const { room, agent } = this;
    if (room === null || agent === null) return;
    const options = { topic: PROTOCOL, destinationIdentities: [agent.identity] };
    this.writing = this.writing
      .then(async () => void (await room.localParticipant.sendText(JSON.stringify(event), options)))
      // What cannot be sent is missed by the agent's silence.
      .catch(() => undefined);
  }

  private syncMicrophone(): void {
    this.publish(async (room, { Track }) => {
      const wanted = this.media.microphone();
      this.microphone = await this.replace(room, this.microphone, wanted, { source: Track.Source.Microphone });
      const track = this.microphone?.track;
      if (track !== undefined) await (this.muted ? track.mute() : track.unmute());
    });
  }

  private syncScreen(): void {
    this.publish(async (room, { Track }) => {
      const wanted = this.media.screen();
      if (wanted !== null) wanted.contentHint = "detail";
      this.screen = await this.replace(room, this.screen, wanted, {
        source: Track.Source.ScreenShare,
        // The agent takes key frames of this codec as they are.
        videoCodec: "vp8",
        simulcast: false,
        screenShareEncoding: SCREEN,
        degradationPreference: "maintain-resolution",
      });
    });
  }

  private publish(change: (room: Room, livekit: LiveKit) => Promise<void>): void {
    this.publishing = this.publishing
      .then(async () => {
        const { room, livekit } = this;
        if (room !== null && livekit !== null && !this.closed && room.state !== "disconnected")
          await change(room, livekit);
      })
      // A track that cannot be published is not heard: the agent says so by its silence, and the connection by its end.
      .catch(() => undefined);
  }

  private async replace(
    room: Room,
    published: LocalTrackPublication | null,
    wanted: MediaStreamTrack | null,
    options: NonNullable<Parameters<Room["localParticipant"]["publishTrack"]>[1]>,
  ): Promise<LocalTrackPublication | null> {
    const before: LocalTrack | undefined = published?.track;
    if (before?.mediaStreamTrack === wanted && wanted !== null) return published;
    if (before !== undefined) await room.localParticipant.unpublishTrack(before, false);
    return wanted === null ? null : await room.localParticipant.publishTrack(wanted, options);
  }

  private finish(code: number, reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.letGo();
    this.events.onClosed(code, reason, this.opened);
  }

  private letGo(): void {
    clearTimeout(this.openTimer);
    clearTimeout(this.agentTimer);
    clearInterval(this.greetTimer);
    this.stopPings();
    this.forgetMicrophone();
    this.media.play(null);
    // The microphone and the screen are the page's, and go on.
    this.room?.disconnect(false).catch(() => undefined);
  }
}
