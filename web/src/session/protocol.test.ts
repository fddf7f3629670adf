import { describe, expect, it } from "vitest";
import { backoffMs, closingOf } from "./close-codes";
import { decodeEvent } from "./protocol";

describe("decodeEvent", () => {
  it.each(["", "{", "null", "[]", '"ready"', '{"type":7}', '{"type":"unheard_of"}', '{"type":"toString"}'])(
    "drops %s",
    (text) => {
      expect(decodeEvent(text)).toBeNull();
    },
  );

  it("fills what is missing or of the wrong kind with something harmless", () => {
    expect(decodeEvent('{"type":"turn","turn":"x","stages":[1]}')).toEqual({
      type: "turn",
      turn: 0,
      latency_ms: 0,
      stages: { endpointing: 0, stt: 0, llm: 0, tool: 0, tts: 0, network: 0, playout: 0 },
      cause: null,
      cost_usd: 0,
    });
    expect(decodeEvent('{"type":"state","state":"dancing"}')).toEqual({ type: "state", state: "listening" });
  });

  it("takes tasks with ids and drops the rest", () => {
    const tasks = [{ id: 7, title: "Milk", due: "2026-11-27", priority: "urgent" }, { title: "no id" }, null];
    expect(decodeEvent(JSON.stringify({ type: "tasks", tasks }))).toMatchObject({
      tasks: [{ id: "7", title: "Milk", status: "open", due: "2026-11-27", priority: "normal" }],
    });
  });
});

describe("closingOf", () => {
  it.each([
    [1000, "ended"],
    [1009, "protocol"],
    [4000, "protocol"],
    [4001, "taken"],
    [4002, "gone"],
    [4004, "protocol"],
    [4005, "idle"],
    [4006, "failed"],
  ])("%i is over: %s", (code, reason) => {
    expect(closingOf(code)).toEqual({ action: "over", reason });
  });

  it.each([
    [1001, true, "restarting"],
    [4007, true, "moved"],
    [1006, false, "dropped"],
    [1011, false, "dropped"],
    [4003, false, "slow"],
  ])("%i reconnects", (code, atOnce, why) => {
    expect(closingOf(code)).toEqual({ action: "reconnect", atOnce, why });
  });
});

describe("backoffMs", () => {
  it("grows as the protocol says, ± 20 %", () => {
    expect([0, 1, 2, 3, 4, 5, 50].map((attempt) => backoffMs(attempt, 0.5))).toEqual([
      250, 500, 1_000, 2_000, 4_000, 5_000, 5_000,
    ]);
    expect(backoffMs(5, 0)).toBe(4_000);
    expect(backoffMs(5, 1)).toBe(6_000);
  });
});
