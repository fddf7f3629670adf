import { describe, expect, it } from "vitest";
import { EventLines } from "./api";
import {
  counted,
  formatSpan,
  headline,
  type Overview,
  partWords,
  type Row,
  sentence,
  sorted,
  troubleWords,
  wellness,
} from "./model";

const NOW = Date.parse("2026-11-24T03:00:00Z");
const before = (ms: number) => new Date(NOW - ms).toISOString();

function row(id: string, fields: Partial<Row> = {}): Row {
  const rest = { user_id: "ada", channel: "browser", agent: "TaskAgent", state: "listening", turns: 1 } as const;
  const figures = { last_latency_ms: 400, cost_usd: 0, trouble: null, troubles: 0 };
  const times = { started_at: before(60_000), state_since: before(60_000), alone_since: null, connected: true };
  return { session_id: id, ...rest, ...figures, ...times, ...fields };
}

const waits = row("waits", { state: "thinking", state_since: before(3_000) });
const failed = row("failed", { trouble: { kind: "provider_failed", detail: "stt timeout", at: before(9_000) } });
const away = row("away", { connected: false, alone_since: before(9_000) });
const slow = row("slow", { last_latency_ms: 900 });
const well = row("well", { trouble: { kind: "commit_failed", detail: "", at: before(600_000) }, troubles: 2 });

describe("what is urgent", () => {
  it("comes first, whatever the order", () => {
    const ids = sorted([well, slow, away, failed, waits], "wellness", false, NOW).map((one) => one.session_id);
    expect(ids).toEqual(["waits", "failed", "away", "slow", "well"]);
    expect(wellness(failed, NOW).words).toBe("Speech recognition failed: no answer in time, 9 s ago");
    expect(wellness(well, NOW)).toMatchObject({ tone: "well", words: "No trouble, 2 before" });
  });

  it("is one sentence", () => {
    const overview: Overview = {
      now: before(0),
      instance: "i",
      version: "0",
      sessions: [well],
      max_sessions: 5,
      readiness: { status: "ready", reasons: [] },
      draining: false,
      rejected: {},
      input_log: false,
    };
    const of = (fields: Partial<Overview>) => headline({ ...overview, ...fields }, NOW);
    expect(of({})).toMatchObject({ tone: "well", words: "Takes calls" });
    expect(of({ sessions: [waits, away] })).toMatchObject({
      tone: "bad",
      detail: "1 call in trouble, 1 call to watch",
    });
    expect(of({ max_sessions: 1 }).words).toMatch(/^Full/);
    expect(of({ readiness: { status: "not_ready", reasons: [] } }).words).toBe("Takes no new calls");
    expect(of({ draining: true }).words).toMatch(/^Draining/);
  });
});

describe("a happening", () => {
  it("tells how much is hidden", () => {
    const hidden = { type: "user_text", number: 1, at: before(0), text: null, hidden_words: 3 };
    expect(sentence(hidden)).toBe("Caller types: 3 words, hidden");
    expect(sentence({ ...hidden, text: "call my doctor" })).toBe("Caller types: “call my doctor”");
  });

  it("tells the whole pause of a turn, to the caller's ear", () => {
    const turn = {
      type: "turn",
      number: 1,
      at: "2026-11-27T10:00:00Z",
      turn: 3,
      latency_ms: 700,
      stages: { llm: 700, network: 150, playout: 90 },
    };
    expect(sentence(turn)).toBe("Turn 3: answered after 940 ms");
    expect(sentence({ ...turn, latency_ms: null, stages: {} })).toBe("Turn 3: typed");
  });

  it("is read from a stream however it is cut", () => {
    const lines = new EventLines();
    expect(lines.take('data: {"a"')).toEqual([]);
    expect(lines.take(":1}\n")).toEqual([]);
    expect(lines.take("\n: keep-alive\n\ndata: 2\n\nda")).toEqual(['{"a":1}', "2"]);
  });
});

describe("words", () => {
  it("have no name of a program in them", () => {
    expect(troubleWords({ kind: "provider_failed", detail: "tts rate_limited" })).toBe(
      "The voice failed: too many requests",
    );
    expect(troubleWords({ kind: "deadline_missed", detail: "long_speech" })).toBe(
      "Took too long: speech without an end",
    );
    expect(sentence({ type: "cost_step_taken", number: 1, at: "", from: "full", to: "brief", ceiling: "call" })).toBe(
      "Near the call’s money limit: from now on short answers",
    );
    expect([partWords("store"), partWords("stt"), partWords("somethingnew")]).toEqual([
      "The store",
      "Speech recognition",
      "Somethingnew",
    ]);
  });

  it("count one as one", () => {
    expect([counted(1, "call"), counted(2, "call")]).toEqual(["1 call", "2 calls"]);
  });
});

describe("a span", () => {
  it("is short", () => {
    expect([900, 59_999, 61_000, 3_660_000].map(formatSpan)).toEqual(["0 s", "59 s", "1:01 min", "1:01 h"]);
  });
});
