import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ServerEvent } from "./protocol";
import { RoomConnection } from "./room-connection";

interface Reader {
  readAll(): Promise<string>;
}

/** A room in which the test plays the agents. */
class FakeRoom {
  static last: FakeRoom;
  static fails = false;
  readonly remoteParticipants = new Map();
  readonly sent: { type: string; to: string }[] = [];
  state = "connected";
  left = false;
  private readonly handlers = new Map<string, (...args: unknown[]) => void>();
  private onText: ((reader: Reader, from: { identity: string }) => void) | undefined;
  readonly localParticipant = {
    sendText: async (text: string, { destinationIdentities: [to] }: { destinationIdentities: string[] }) => {
      this.sent.push({ type: JSON.parse(text).type, to: to ?? "" });
    },
  };

  constructor() {
    FakeRoom.last = this;
  }

  on(event: string, handler: (...args: unknown[]) => void): void {
    this.handlers.set(event, handler);
  }

  registerTextStreamHandler(topic: string, onText: typeof this.onText): void {
    expect(topic).toBe("voice-agent.v1");
    this.onText = onText;
  }

  async connect(): Promise<void> {
    if (FakeRoom.fails) throw new Error("refused");
  }

  async disconnect(): Promise<void> {
    this.left = true;
  }

  emit(event: string, ...args: unknown[]): void {
    this.handlers.get(event)?.(...args);
  }

  /** An agent of this identity comes, and answers what it is asked. */
  agent(identity: string): { kind: number; identity: string; audioTrackPublications: Map<string, unknown> } {
    const agent = { kind: 4, identity, audioTrackPublications: new Map() };
    this.remoteParticipants.set(identity, agent);
    this.emit("participantConnected", agent);
    return agent;
  }

  goes(agent: { identity: string }): void {
    this.remoteParticipants.delete(agent.identity);
    this.emit("participantDisconnected", agent);
  }

  async says(identity: string, event: object): Promise<void> {
    this.onText?.({ readAll: async () => JSON.stringify(event) }, { identity });
    await vi.advanceTimersByTimeAsync(0);
  }
}

vi.mock("livekit-client", () => ({
  Room: FakeRoom,
  RoomEvent: {
    ParticipantConnected: "participantConnected",
    ParticipantDisconnected: "participantDisconnected",
    TrackSubscribed: "trackSubscribed",
    Reconnecting: "reconnecting",
    Reconnected: "reconnected",
    Disconnected: "disconnected",
  },
  Track: { Kind: { Audio: "audio" }, Source: { Microphone: "microphone", ScreenShare: "screen_share" } },
  ParticipantKind: { AGENT: 4 },
  setLogLevel: () => undefined,
}));
vi.mock("./api", () => ({ api: { roomToken: async () => ({ url: "ws://rooms", token: "t" }) } }));

const READY = { type: "ready", session_id: "s", agent: "TaskAgent" };

describe("a connection through a room", () => {
  let events: ServerEvent["type"][];
  let closed: [number, string, boolean][];
  let interrupted: number;
  let connection: RoomConnection;

  beforeEach(async () => {
    vi.useFakeTimers();
    FakeRoom.fails = false;
    [events, closed, interrupted] = [[], [], 0];
    open();
    await vi.advanceTimersByTimeAsync(0);
  });

  afterEach(() => {
    connection.close();
    vi.useRealTimers();
  });

  function open(): void {
    const media = {
      microphone: () => null,
      screen: () => null,
      play: () => undefined,
      onMicrophone: () => () => undefined,
    };
    connection = new RoomConnection({ sessionId: "s", token: "t" }, media, {
      onEvent: (event) => void events.push(event.type),
      onFrame: () => undefined,
      onRtt: () => undefined,
      onInterrupted: () => void interrupted++,
      onClosed: (...how) => void closed.push(how),
    });
  }

  const sent = () => FakeRoom.last.sent.map(({ type, to }) => `${type} ${to}`);

  async function begin(identity: string): Promise<ReturnType<FakeRoom["agent"]>> {
    const agent = FakeRoom.last.agent(identity);
    await FakeRoom.last.says(identity, { type: "pong", t: 0 });
    await FakeRoom.last.says(identity, READY);
    return agent;
  }

  it("asks the agent until it answers, and then once to begin", async () => {
    FakeRoom.last.agent("a1");
    await vi.advanceTimersByTimeAsync(450);
    expect(sent()).toEqual(["ping a1", "ping a1", "ping a1"]);
    expect(connection.isOpen).toBe(false);
    await FakeRoom.last.says("a1", { type: "pong", t: 0 });
    await FakeRoom.last.says("a1", { type: "pong", t: 0 });
    expect(sent().filter((what) => what === "begin a1")).toHaveLength(1);
    await FakeRoom.last.says("a1", READY);
    expect(connection.isOpen).toBe(true);
    expect(events).toEqual(["pong", "pong", "ready"]);
  });

  it("believes nobody but the newest agent", async () => {
    await begin("a1");
    await FakeRoom.last.says("stranger", { type: "state", state: "thinking" });
    await begin("a2");
    await FakeRoom.last.says("a1", { type: "state", state: "thinking" });
    expect(events).not.toContain("state");
    connection.send({ type: "text", text: "hi" });
    await vi.advanceTimersByTimeAsync(0);
    expect(sent().at(-1)).toBe("text a2");
  });

  it("waits for another agent when the one it has is gone, and gives up after a while", async () => {
    const first = await begin("a1");
    FakeRoom.last.goes(first);
    expect([connection.isOpen, interrupted]).toEqual([false, 1]);
    expect(connection.send({ type: "text", text: "hi" })).toBe(false);
    const second = await begin("a2");
    expect(connection.isOpen).toBe(true);
    FakeRoom.last.goes(second);
    await vi.advanceTimersByTimeAsync(8_000);
    expect(closed).toEqual([[1006, "the agent is gone, and no other came", true]]);
    expect(FakeRoom.last.left).toBe(true);
  });

  it("turns back to an agent that came before the one that is gone, which has to answer in time", async () => {
    await begin("a1");
    const second = FakeRoom.last.agent("a2");
    FakeRoom.last.goes(second);
    await vi.advanceTimersByTimeAsync(0);
    expect(sent().at(-1)).toBe("ping a1");
    await FakeRoom.last.says("a1", { type: "pong", t: 0 });
    await FakeRoom.last.says("a1", READY);
    expect(connection.isOpen).toBe(true);
    await vi.advanceTimersByTimeAsync(4_900);
    expect(closed).toEqual([]);

    const third = FakeRoom.last.agent("a3");
    FakeRoom.last.goes(third);
    await vi.advanceTimersByTimeAsync(8_000);
    expect(closed).toEqual([[1006, "the agent is gone, and no other came", true]]);
  });

  it("begins again after an interruption, and not after one of the signalling alone", async () => {
    await begin("a1");
    FakeRoom.last.emit("reconnected");
    expect(connection.isOpen).toBe(true);
    FakeRoom.last.emit("reconnecting");
    FakeRoom.last.emit("reconnected");
    expect([connection.isOpen, interrupted]).toEqual([false, 1]);
    await FakeRoom.last.says("a1", { type: "pong", t: 0 });
    expect(sent().filter((what) => what === "begin a1")).toHaveLength(2);
  });

  it("ends with the code that the agent tells", async () => {
    await begin("a1");
    await FakeRoom.last.says("a1", { type: "closed", code: 4001, reason: "replaced" });
    expect(closed).toEqual([[4001, "replaced", true]]);
  });

  it("ends unopened when the room cannot be joined, or nobody comes", async () => {
    await vi.advanceTimersByTimeAsync(10_000);
    expect(closed).toEqual([[1006, "no agent took the session in time", false]]);
    FakeRoom.fails = true;
    open();
    await vi.advanceTimersByTimeAsync(0);
    expect(closed.at(-1)).toEqual([1006, "refused", false]);
  });

  it("notices an agent that answers no more", async () => {
    await begin("a1");
    await vi.advanceTimersByTimeAsync(25_000);
    expect(closed).toEqual([[1006, "no answer to a ping", true]]);
  });
});
