// What the mock server has heard, waited for and never slept for.

import { setTimeout as sleep } from "node:timers/promises";

const WITHIN_MS = 10_000;

/** Polls until `is` answers something true, and returns that. */
export async function eventually(what, is) {
  const end = Date.now() + WITHIN_MS;
  for (;;) {
    const answer = await is();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await sleep(20);
  }
}

/** So many more frames of the caller. */
export async function frames(mock, more) {
  const from = mock.world.counts.frames;
  await eventually(`${more} frames`, () => mock.world.counts.frames >= from + more);
}

/** The last event of this type is as given. */
export async function told(mock, event) {
  const last = () => mock.world.counts.events.findLast(({ type }) => type === event.type);
  await eventually(JSON.stringify(event), () => JSON.stringify(last()) === JSON.stringify(event));
}

/** So much of the speech that is under way was played, in ms. */
export async function played(mock, ms) {
  await eventually(`${ms} ms played`, () => (mock.world.counts.playout.at(-1)?.[1] ?? 0) >= ms);
}

/**
 * No frame comes while the page is as it is, although the microphone gives some: a message goes after them through the
 * same socket, and behind it nothing can still be under way.
 */
export async function nothingComes(page, mock) {
  const before = mock.world.counts.frames;
  await page.evaluate(() => {
    window.__captured = window.__voiceAgentTest.stats().capturedFrames;
  });
  const captured = () => window.__voiceAgentTest.stats().capturedFrames >= window.__captured + 10;
  await page.waitForFunction(captured, null, { timeout: WITHIN_MS });
  await page.getByTestId("text-input").fill("Nothing");
  await page.getByTestId("text-send").click();
  await eventually("the message", () => mock.world.counts.events.some(({ text }) => text === "Nothing"));
  if (mock.world.counts.frames !== before) throw new Error("frames came while the microphone was closed");
}

export function tell(mock, ...events) {
  for (const call of mock.world.live) for (const event of events) call.send(event);
}
