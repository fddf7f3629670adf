import { describe, expect, it } from "vitest";
import { STAGES, type Stage, type Task, type Turn } from "../session/protocol";
import { arrange, formatCost, formatDue, formatMs, formatWait, pauseSentence } from "./format";

const NOW = new Date(2026, 10, 23, 14, 30);

describe("formatDue", () => {
  it.each([
    ["2026-11-23", "Today", "soon"],
    ["2026-11-24", "Tomorrow", "soon"],
    ["2026-11-22", "Yesterday", "overdue"],
    ["2026-11-27", "Friday", "later"],
  ])("says %s as %s", (due, text, tone) => {
    expect(formatDue(due, NOW)).toEqual({ text, tone });
  });

  it("names the date when it is far, and the year when it is another", () => {
    expect(formatDue("2026-12-24", NOW)?.text).toMatch(/24/);
    expect(formatDue("2026-12-24", NOW)?.text).not.toMatch(/2026/);
    expect(formatDue("2027-01-05", NOW)?.text).toMatch(/2027/);
  });

  it("adds the time, and knows that this morning has passed", () => {
    expect(formatDue("2026-11-23T09:00", NOW)).toMatchObject({ tone: "overdue" });
    expect(formatDue("2026-11-23T17:00", NOW)?.text).toMatch(/^Today, .*(17|5):00/);
  });

  it("has no nought before the hour of a clock with twelve", () => {
    expect(formatDue("2026-11-24T09:00", NOW)?.text).toMatch(/^Tomorrow, (9:00\sAM|0?9:00)$/);
  });

  it("does not scold about what is done, and survives nonsense", () => {
    expect(formatDue("2026-11-01", NOW, true)?.tone).toBe("later");
    expect(formatDue("soonish", NOW)).toBeNull();
  });
});

describe("numbers", () => {
  it("shows milliseconds and money", () => {
    expect([formatMs(640.4), formatMs(1_250)]).toEqual(["640 ms", "1.25 s"]);
    expect([0, 99, 100, 5_939, 36_000].map(formatWait)).toEqual([
      "0\u00a0s",
      "99\u00a0s",
      "2\u00a0min",
      "99\u00a0min",
      "10\u00a0h",
    ]);
    expect([formatCost(0), formatCost(0.00001), formatCost(0.0139)]).toEqual(["free", "< $0.0001", "$0.0139"]);
  });
});

describe("arrange", () => {
  it("keeps the order of open tasks and puts the latest done first", () => {
    const task = (id: string, completed_at: string | null): Task => ({
      id,
      title: id,
      status: completed_at === null ? "open" : "done",
      due: null,
      priority: "normal",
      created_at: "",
      completed_at,
    });
    const { open, done } = arrange([
      task("b", null),
      task("x", "2026-01-01"),
      task("a", null),
      task("y", "2026-01-02"),
    ]);
    expect(open.map((one) => one.id)).toEqual(["b", "a"]);
    expect(done.map((one) => one.id)).toEqual(["y", "x"]);
  });
});

describe("pauseSentence", () => {
  const turn = (latency_ms: number, cause: string | null, ms = 0): Turn => ({
    turn: 1,
    latency_ms,
    cause,
    cost_usd: 0,
    stages: {
      ...(Object.fromEntries(STAGES.map((stage) => [stage, 0])) as Record<Stage, number>),
      ...(cause === null ? {} : { [cause]: ms }),
    },
  });

  it.each(STAGES)("has words for %s", (stage) => {
    const sentence = pauseSentence(turn(1_400, stage, 540));
    expect(sentence).toContain("540 ms");
    expect(sentence).not.toContain(stage === "network" ? "undefined" : stage);
  });

  it("says nothing about a pause that nobody felt, and is honest about one without a cause", () => {
    expect(pauseSentence(turn(800, "llm", 700))).toBeNull();
    expect(pauseSentence(turn(801, null))).toContain("no single cause");
    expect(pauseSentence(turn(801, "moonlight", 1))).toContain("moonlight");
  });
});
