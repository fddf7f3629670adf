import { describe, expect, it } from "vitest";
import { decodeEvent, type ServerEvent, type Task } from "./protocol";
import { type Action, reduce } from "./reducer";
import { initialState, isSilenced, type SessionState } from "./state";

/** Runs a call sheet: server events as the wire would bring them, or actions of the page. */
function run(state: SessionState, ...steps: (Action | Record<string, unknown>)[]): SessionState {
  return steps.reduce<SessionState>((now, step) => {
    const event = decodeEvent(JSON.stringify(step));
    return reduce(now, event === null ? (step as Action) : { type: "server", event });
  }, state);
}

const live = (): SessionState =>
  run(
    initialState(),
    { type: "starting", mode: "talk" } satisfies Action,
    { type: "session_open", recording: false } satisfies Action,
  );

const server = (event: ServerEvent): Action => ({ type: "server", event });

const task = (id: string, title: string, status: Task["status"] = "open"): Task => ({
  id,
  title,
  status,
  due: null,
  priority: "normal",
  created_at: "2026-01-01T00:00:00Z",
  completed_at: null,
});

describe("captions", () => {
  it("replaces interim words by what was understood in the end", () => {
    const state = run(
      live(),
      { type: "transcript", utterance_id: 1, text: "add a", final: false },
      { type: "transcript", utterance_id: 1, text: "Add a task.", final: true },
    );
    expect(state.lines).toMatchObject([{ who: "you", text: "Add a task.", interim: false }]);
  });

  it("takes interim words away when nothing was said after all", () => {
    const state = run(
      live(),
      { type: "transcript", utterance_id: 1, text: "uh", final: false },
      { type: "transcript", utterance_id: 1, text: "", final: true },
      { type: "transcript", utterance_id: 2, text: " ", final: false },
    );
    expect(state.lines).toEqual([]);
  });

  it("appends the stretches of a reply to one caption and keeps replies apart", () => {
    const state = run(
      live(),
      { type: "agent_text", reply_id: 1, speech_id: 1, text: "You have three tasks." },
      { type: "agent_text", reply_id: 1, speech_id: 2, text: "The first is milk." },
      { type: "agent_text", reply_id: 2, speech_id: 3, text: "Done." },
    );
    expect(state.lines.map((line) => line.text)).toEqual(["You have three tasks. The first is milk.", "Done."]);
  });

  it("takes back what was thrown away before it was heard", () => {
    const state = run(
      live(),
      { type: "agent_text", reply_id: 1, speech_id: 1, text: "Milk it is." },
      { type: "heard", reply_id: 1, heard: "", unheard: "Milk it is." },
    );
    expect(state.lines).toEqual([]);
  });

  it("tells heard and unheard words apart after an interruption", () => {
    const state = run(
      live(),
      { type: "agent_text", reply_id: 1, speech_id: 1, text: "You have three tasks. The first is milk." },
      { type: "heard", reply_id: 1, heard: "You have three", unheard: "tasks. The first is milk." },
      { type: "agent_text", reply_id: 2, speech_id: 2, text: "Sure." },
      { type: "heard", reply_id: 2, heard: "Sure.", unheard: "" },
    );
    expect(state.lines).toMatchObject([
      { text: "You have three", unheard: "tasks. The first is milk." },
      { text: "Sure.", unheard: null },
    ]);
  });

  it("goes on with the caption of a reply that a new connection is told again", () => {
    const state = run(
      live(),
      { type: "agent_text", reply_id: 3, speech_id: 1, text: "You have three tasks." },
      { type: "ready", session_id: "s", resumed: true, agent: "TaskAgent", recording: false, muted: false },
      { type: "agent_text", reply_id: 3, speech_id: 1, text: "You have three tasks. The first is milk." },
    );
    expect(state.lines.map((line) => line.text)).toEqual(["You have three tasks. The first is milk."]);
  });

  it("does not take a reply of a restored session for an old line with the same id", () => {
    const state = run(
      live(),
      { type: "agent_text", reply_id: 3, speech_id: 1, text: "Lost" },
      { type: "transcript", utterance_id: 4, text: "half", final: false },
      { type: "ready", session_id: "s", resumed: true, agent: "TaskAgent", recording: false, muted: false },
      { type: "agent_text", reply_id: 3, speech_id: 1, text: "I'm back." },
    );
    expect(state.lines.map((line) => line.text)).toEqual(["Lost", "I'm back."]);
    expect(new Set(state.lines.map((line) => line.key)).size).toBe(2);
  });

  it("shows the history of a resumed session once, without tools and empty lines", () => {
    const lines = [
      { role: "assistant", content: "Hello!" },
      { role: "tool", content: "{}" },
      { role: "user", content: "Add milk" },
      { role: "assistant", content: "" },
    ];
    const state = run(live(), { type: "history", lines }, { type: "history", lines });
    expect(state.lines.map(({ who, text }) => [who, text])).toEqual([
      ["agent", "Hello!"],
      ["you", "Add milk"],
    ]);
  });
});

describe("tasks", () => {
  it("points out what changed, but not the first list", () => {
    const first = run(live(), { type: "tasks", tasks: [task("1", "Milk")] });
    expect(first.changed).toEqual([]);
    const second = run(first, { type: "tasks", tasks: [task("1", "Milk"), task("2", "Salt")] });
    expect(second.changed).toEqual(["2"]);
    const third = run(second, { type: "tasks", tasks: [task("1", "Milk", "done"), task("2", "Salt")] });
    expect(third.changed).toEqual(["1"]);
  });

  it("takes a task that was saved by hand, old or new, and lets one go", () => {
    const state = run(
      live(),
      { type: "tasks", tasks: [task("1", "Milk")] } satisfies Action,
      { type: "task_saved", task: task("2", "Salt") } satisfies Action,
      { type: "task_saved", task: task("1", "Oat milk") } satisfies Action,
      { type: "task_gone", id: "2" } satisfies Action,
    );
    expect(state.tasks.map((one) => one.title)).toEqual(["Oat milk"]);
  });
});

describe("the connection", () => {
  it("forgets half-understood words and speaking when it is lost, and keeps the conversation", () => {
    const state = run(
      live(),
      { type: "agent_text", reply_id: 1, speech_id: 1, text: "Hello!" },
      { type: "user_speaking", speaking: true },
      { type: "transcript", utterance_id: 1, text: "add a", final: false },
      { type: "state", state: "thinking" },
      { type: "link", link: { name: "waiting", attempt: 0, why: "dropped", retryAtMs: 5 } } satisfies Action,
    );
    expect(state).toMatchObject({ userSpeaking: false, agentState: "listening", phase: { name: "live" } });
    expect(state.lines.map((line) => line.text)).toEqual(["Hello!"]);
  });

  it("keeps the reason of `ended` when the close follows", () => {
    const state = run(live(), { type: "ended", outcome: "completed", reason: "goodbye" }, {
      type: "over",
      reason: "gone",
      detail: "",
    } satisfies Action);
    expect(state.phase).toEqual({ name: "over", reason: "goodbye", detail: "goodbye" });
    expect(state.recording).toBe(false);
  });

  it("begins anew with nothing of the old session but the chosen mode", () => {
    const state = run(live(), { type: "agent_text", reply_id: 1, speech_id: 1, text: "Hi" }, { type: "reset" });
    expect(state).toEqual({ ...initialState(), mode: "talk" });
  });
});

describe("a message on its way", () => {
  const typed = (text: string): Action => ({ type: "typed", text, sent: true });
  const waiting = (text: string): Action => ({ type: "typed", text, sent: false });

  it("is one until the server takes it, and then a line", () => {
    const state = run(live(), typed("Add milk"), typed("And salt"), { type: "user_text", text: "Add milk" });
    expect(state.pending.map((one) => one.text)).toEqual(["And salt"]);
    expect(state.lines.map((line) => line.text)).toEqual(["Add milk"]);
  });

  it("is owned up to when the connection goes, and when it is refused", () => {
    const link = { name: "waiting", attempt: 0, why: "dropped", retryAtMs: 5 } as const;
    const lost = run(live(), typed("Add milk"), { type: "link", link } satisfies Action);
    expect(lost.pending).toEqual([]);
    expect(lost.notice).toContain("“Add milk” may not have arrived");
    const both = run(live(), typed("Add milk"), typed("Add salt"), { type: "link", link } satisfies Action);
    expect(both.notice).toContain("“Add milk”, “Add salt” may not have arrived");
    const refused = run(live(), typed("Add milk"), { type: "error", code: "text_length", message: "Too long." });
    expect(refused).toMatchObject({ pending: [], draft: "Add milk", refusals: 0 });
    expect(refused.notice).toContain("Too long.");
  });

  it("is not touched by an error that is about something else", () => {
    const state = run(live(), typed("Add milk"), { type: "error", code: "consent_limit", message: "Too often." });
    expect(state).toMatchObject({ pending: [{ text: "Add milk" }], draft: "", notice: "Too often." });
  });

  it("comes back when it is the one that was refused, as soon as that is known, and the others stay on their way", () => {
    const full = { type: "error", code: "too_many_messages", message: "Wait for an answer." };
    const texts = (state: SessionState) => state.pending.map(({ text }) => text);
    const newest = run(live(), typed("One"), typed("Two"), typed("Three"), full);
    expect([texts(newest), newest.draft]).toEqual([["One", "Two", "Three"], ""]);
    const one = run(newest, { type: "user_text", text: "One" });
    expect([texts(one), one.draft]).toEqual([["Two", "Three"], ""]);
    const two = run(one, { type: "user_text", text: "Two" });
    expect([texts(two), two.draft]).toEqual([[], "Three"]);
    // Messages are taken in their order: one that was passed over was the refused one.
    const three = run(one, { type: "user_text", text: "Three" });
    expect([texts(three), three.draft, three.refusals]).toEqual([[], "Two", 0]);
  });

  it("waits for the connection when there is none, and is a draft again when none will come", () => {
    const link = { name: "waiting", attempt: 0, why: "dropped", retryAtMs: 5 } as const;
    const state = run(live(), waiting("Add milk"), waiting("Add salt"), { type: "link", link } satisfies Action);
    expect(state.pending.map((one) => one.text)).toEqual(["Add milk", "Add salt"]);
    expect(state.notice).toBeNull();
    const key = state.pending[0]?.key ?? "";
    const sent = run(state, { type: "typed_sent", key } satisfies Action, { type: "user_text", text: "Add milk" });
    expect(sent.pending.map((one) => one.text)).toEqual(["Add salt"]);
    const half = run(sent, { type: "draft", text: "and eggs" } satisfies Action);
    const over = run(half, { type: "over", reason: "gone", detail: "" } satisfies Action);
    expect(over).toMatchObject({ pending: [], draft: "Add salt and eggs" });
    expect(run(over, { type: "reset" }).draft).toBe("Add salt and eggs");
  });

  it("comes back to the text box when it could not be sent, with a notice that the next connection takes away", () => {
    const notice = { type: "notice", notice: "Not sent.", untilOpen: true } satisfies Action;
    const typing = run(live(), waiting("Add milk"), { type: "draft", text: "and" } satisfies Action);
    const back = run(typing, { type: "typed_back", key: typing.pending[0]?.key ?? "" } satisfies Action, notice);
    expect(back).toMatchObject({ pending: [], draft: "Add milk and", notice: "Not sent." });
    expect(run(back, { type: "ready", session_id: "s" }).notice).toBeNull();
    const lasting = run(back, { type: "notice", notice: "Look." } satisfies Action, { type: "ready", session_id: "s" });
    expect(lasting.notice).toBe("Look.");
  });
});

describe("the microphone", () => {
  it("is silenced unless it is on, unmuted, and pushed where it must be", () => {
    const on = run(live(), { type: "microphone", microphone: "on" } satisfies Action);
    expect(isSilenced(on)).toBe(false);
    expect(isSilenced(run(on, { type: "muted", muted: true } satisfies Action))).toBe(true);
    const push = run(on, { type: "talk_mode", talkMode: "push" } satisfies Action);
    expect(isSilenced(push)).toBe(true);
    expect(isSilenced(run(push, { type: "held", held: true } satisfies Action))).toBe(false);
    expect(isSilenced(run(on, { type: "microphone", microphone: "lost" } satisfies Action))).toBe(true);
  });

  it("stays as it was chosen when a new conversation begins", () => {
    const state = run(
      live(),
      { type: "talk_mode", talkMode: "push" } satisfies Action,
      { type: "microphone_chosen", id: "b" } satisfies Action,
      { type: "reset" },
    );
    expect(state).toMatchObject({ talkMode: "push", microphoneId: "b", phase: { name: "consent" } });
  });
});

describe("the time of an answer", () => {
  const before = { endpointing: 300, stt: 100, llm: 200, tool: 0, tts: 100 };
  const turn = (latencyMs: number | null, network: number, playout: number, cause: string | null = null) => ({
    type: "turn" as const,
    turn: 1,
    latency_ms: latencyMs,
    stages: { ...before, network, playout },
    cause,
    cost_usd: 0,
  });
  const heard = (event: ReturnType<typeof turn>) => {
    // What the page measures itself is in the server's figures already.
    let state = reduce(live(), { type: "rtt", rttMs: 60 });
    state = reduce(state, server({ type: "speech_started", speech_id: 1, reply_id: 7 }));
    return reduce(state, server(event)).turns[0];
  };

  it("is what the server says of it, with the way and the start of the sound once", () => {
    const told = heard(turn(700, 40, 80, "endpointing"));
    expect(told).toMatchObject({ latency_ms: 820, stages: { network: 40, playout: 80 }, cause: "endpointing" });
    expect(heard(turn(700, 0, 0))).toMatchObject({ latency_ms: 700, stages: { network: 0, playout: 0 }, cause: null });
  });

  it("says of a typed turn whether its answer was spoken", () => {
    expect(heard(turn(null, 0, 0))).toMatchObject({ latency_ms: null, aloud: true });
    expect(run(live(), turn(null, 0, 0)).turns[0]).toMatchObject({ latency_ms: null, aloud: false });
  });
});

describe("what it cost", () => {
  it("adds every turn once, also one that is told again", () => {
    const turn = (number: number, cost: number) => ({ type: "turn", turn: number, stages: {}, cost_usd: cost });
    const state = run(live(), turn(1, 0.01), turn(2, 0.02), turn(2, 0.03));
    expect(state.turnCount).toBe(2);
    expect(state.spentUsd).toBeCloseTo(0.04);
  });
});

describe("the voice", () => {
  it("falls back to text, and takes the notice away when speech comes again", () => {
    const failed = run(live(), { type: "fallback_to_text", message: "Voice is temporarily unavailable." });
    expect(failed.fallback).toBe("Voice is temporarily unavailable.");
    const back = reduce(failed, server({ type: "speech_started", speech_id: 1, reply_id: 1 }));
    expect(back.fallback).toBeNull();
  });

  it("is listened to again on a new connection, until the server says otherwise", () => {
    const failed = run({ ...live(), held: true }, { type: "fallback_to_text", message: "Voice is out." });
    expect(failed.held).toBe(false);
    expect(run(failed, { type: "ready", session_id: "s", resumed: true }).fallback).toBeNull();
  });

  it("keeps the last twenty turns, newest first, each once", () => {
    const turns = Array.from({ length: 25 }, (_, i) => ({ type: "turn", turn: i + 1, latency_ms: 500, stages: {} }));
    const state = run(live(), ...turns, {
      type: "turn",
      turn: 25,
      latency_ms: 900,
      stages: { llm: 400 },
      cause: "llm",
    });
    expect(state.turns).toHaveLength(20);
    expect(state.turns[0]).toMatchObject({ turn: 25, latency_ms: 900, cause: "llm", stages: { llm: 400, stt: 0 } });
  });

  it("shows an error of the server and goes on", () => {
    const state = run(live(), { type: "error", code: "text_too_long", message: "That message is too long." });
    expect(state).toMatchObject({ notice: "That message is too long.", phase: { name: "live" } });
  });
});
