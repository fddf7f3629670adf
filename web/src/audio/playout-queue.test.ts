import { describe, expect, it } from "vitest";
import { FADE_MS, PlayoutQueue, type PlayoutReport } from "./playout-queue";

const RATE = 48_000;
const LOUD = 16_384;

class Rig {
  readonly queue = new PlayoutQueue(RATE);
  readonly reports: PlayoutReport[] = [];
  readonly heard: number[] = [];

  frames(count: number): void {
    for (let i = 0; i < count; i++) this.queue.frame(new Int16Array(480).fill(LOUD));
  }

  play(ms: number): Float32Array {
    const out = new Float32Array((RATE * ms) / 1000);
    for (let at = 0; at < out.length; at += 128) this.queue.render(out.subarray(at, Math.min(at + 128, out.length)));
    this.reports.push(...this.queue.takeReports());
    this.heard.push(...out);
    return out;
  }

  last(): PlayoutReport | undefined {
    return this.reports.at(-1);
  }
}

function loud(samples: Float32Array): number {
  return samples.filter((sample) => Math.abs(sample) > 0.01).length;
}

describe("PlayoutQueue", () => {
  it("waits for 60 ms before it starts, and not at all for a speech that is complete", () => {
    const rig = new Rig();
    rig.queue.start(1, 0);
    rig.frames(2);
    expect(loud(rig.play(20))).toBe(0);
    rig.frames(2);
    expect(loud(rig.play(20))).toBeGreaterThan(900);

    const short = new Rig();
    short.queue.start(1, 0);
    short.frames(1);
    short.queue.finish(1, 20);
    expect(loud(short.play(20))).toBeGreaterThan(900);
  });

  it("reports the position every 100 ms and the exact end, without the padding", () => {
    const rig = new Rig();
    rig.queue.start(7, 0);
    rig.frames(16);
    rig.queue.finish(7, 313);
    rig.play(400);
    expect(rig.reports.map((report) => report.kind)).toEqual(["position", "position", "position", "ended"]);
    expect(rig.reports[0]?.playedMs).toBeGreaterThanOrEqual(100);
    expect(rig.reports[0]?.playedMs).toBeLessThan(104);
    expect(rig.last()).toEqual({ kind: "ended", speechId: 7, playedMs: 313 });
  });

  it("falls silent within 5 ms of a clear and says where", () => {
    const rig = new Rig();
    rig.queue.start(3, 0);
    rig.frames(20);
    rig.play(200);
    rig.queue.clear(3);
    const after = rig.play(40);
    expect(loud(after)).toBeLessThanOrEqual((FADE_MS * RATE) / 1000);
    expect(Math.abs((after[1] ?? 0) - (after[0] ?? 0))).toBeLessThan(0.01);
    expect(rig.last()?.kind).toBe("cleared");
    expect(rig.last()?.playedMs).toBeGreaterThanOrEqual(200);
    expect(rig.last()?.playedMs).toBeLessThanOrEqual(205);
    rig.frames(5);
    expect(loud(rig.play(100))).toBe(0);
  });

  it("answers a clear of what never began, of what is queued behind, and of what is over", () => {
    const rig = new Rig();
    rig.queue.clear(9);
    rig.play(3);
    expect(rig.last()).toEqual({ kind: "cleared", speechId: 9, playedMs: 0 });
    rig.queue.start(1, 0);
    rig.frames(5);
    rig.queue.finish(1, 100);
    rig.queue.start(2, 0);
    rig.frames(5);
    rig.play(20);
    rig.queue.clear(2);
    rig.play(3);
    expect(rig.last()).toEqual({ kind: "cleared", speechId: 2, playedMs: 0 });
    rig.play(200);
    expect(rig.last()).toEqual({ kind: "ended", speechId: 1, playedMs: 100 });
    rig.queue.clear(1);
    rig.play(3);
    expect(rig.last()).toEqual({ kind: "cleared", speechId: 1, playedMs: 100 });
  });

  it("goes on from the position that a resumption names", () => {
    const rig = new Rig();
    rig.queue.start(4, 640);
    rig.frames(10);
    rig.queue.finish(4, 840);
    rig.play(300);
    expect(rig.last()).toEqual({ kind: "ended", speechId: 4, playedMs: 840 });
  });

  it("counts an underrun, fades around it, and waits longer next time", () => {
    const rig = new Rig();
    rig.queue.start(5, 0);
    rig.frames(4);
    const first = rig.play(200);
    expect(rig.queue.stats.underruns).toBe(1);
    expect(rig.queue.stats.targetMs).toBe(80);
    expect(rig.last()?.kind).toBe("dry");
    expect(rig.queue.stats.concealedMs).toBeGreaterThan(100);
    rig.frames(3);
    expect(loud(rig.play(20))).toBe(0);
    rig.frames(2);
    const second = rig.play(60);
    // The test's own onset is a step, so the first 40 ms are left out.
    const joined = [...first.subarray(1_920), ...second];
    const steepest = Math.max(...joined.map((sample, i) => Math.abs(sample - (joined[i - 1] ?? sample))));
    expect(steepest).toBeLessThan(0.03);
    for (let i = 0; i < 10; i++) {
      rig.play(400);
      rig.frames(7);
    }
    expect(rig.queue.stats.targetMs).toBe(120);
  });

  it("shortens its wait again after 20 s without trouble", () => {
    const rig = new Rig();
    rig.queue.start(5, 0);
    rig.frames(4);
    rig.play(200);
    rig.frames(5);
    for (let i = 0; i < 220; i++) {
      rig.frames(5);
      rig.play(100);
    }
    expect(rig.queue.stats).toMatchObject({ underruns: 1, targetMs: 70 });
  });

  it("does not wait for ever for a speech that stopped coming", () => {
    const rig = new Rig();
    rig.queue.start(6, 0);
    rig.frames(2);
    expect(loud(rig.play(190))).toBe(0);
    expect(loud(rig.play(100))).toBeGreaterThan(1_000);
    rig.queue.finishAll();
    rig.play(20);
    expect(rig.last()?.kind).toBe("ended");
  });

  it("plays two speeches one after the other, each to its end", () => {
    const rig = new Rig();
    rig.queue.start(1, 0);
    rig.frames(5);
    rig.queue.finish(1, 100);
    rig.queue.start(2, 0);
    rig.frames(5);
    rig.queue.finish(2, 100);
    rig.play(260);
    const ends = rig.reports.filter((report) => report.kind === "ended").map((report) => report.speechId);
    expect(ends).toEqual([1, 2]);
    expect(loud(Float32Array.from(rig.heard))).toBeGreaterThan(9_500);
  });
});
