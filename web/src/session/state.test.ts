import { describe, expect, it } from "vitest";
import { moodOf } from "../ui/presence";
import { type Action, reduce } from "./reducer";
import { initialState, isListening, isSilenced, type Link, type SessionState } from "./state";

const then = (state: SessionState, ...actions: Action[]) => actions.reduce(reduce, state);

const open = then(
  initialState(),
  { type: "starting", mode: "talk" },
  { type: "session_open", recording: false },
  { type: "link", link: { name: "open" } },
  { type: "microphone", microphone: "on" },
);

const fallback: Action = { type: "server", event: { type: "fallback_to_text", message: "Voice is out." } };
const waiting: Link = { name: "waiting", attempt: 0, why: "dropped", retryAtMs: 0 };

describe("whether anybody listens", () => {
  it("is so with an open microphone and an open connection", () => {
    expect(isListening(open)).toBe(true);
    expect(moodOf(open)).toBe("listening");
  });

  const cases: [string, Action, string][] = [
    ["muted", { type: "muted", muted: true }, "muted"],
    ["holding to talk, and not held", { type: "talk_mode", talkMode: "push" }, "ready"],
    ["reconnecting", { type: "link", link: waiting }, "away"],
    ["connecting", { type: "link", link: { name: "connecting" } }, "connecting"],
    ["where only text gets through", { type: "link", link: { name: "text_only" } }, "typing"],
    ["when voice failed", fallback, "typing"],
    ["while the browser holds the sound back", { type: "sound_blocked", blocked: true }, "ready"],
    ["without a microphone", { type: "microphone", microphone: "lost" }, "typing"],
  ];
  it.each(cases)("is not so %s, and the figure says the same", (_, action, mood) => {
    const state = then(open, action);
    expect(isListening(state)).toBe(false);
    expect(moodOf(state)).toBe(mood);
  });

  it("is so while a muted caller holds the key", () => {
    expect(isListening(then(open, { type: "muted", muted: true }, { type: "held", held: true }))).toBe(true);
  });
});

describe("when voice failed", () => {
  it("nothing is sent to be listened to, until the agent is heard again", () => {
    const failed = then(open, fallback);
    expect(isSilenced(failed)).toBe(true);
    const back = then(failed, { type: "server", event: { type: "speech_started", reply_id: 1, speech_id: 1 } });
    expect(isSilenced(back)).toBe(false);
  });
});
