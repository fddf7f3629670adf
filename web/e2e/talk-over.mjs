// A call in a real browser in which the caller makes a sound while the agent reads the list: the WAV is the microphone.
// Driven by environment variables; see ../README.md, "Talking over the agent".
//
// stdout: one line of JSON. Exit code 0 when the page did as EXPECT says.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { conclude, openBrowser } from "./browser.mjs";
import * as driving from "./driving.mjs";
import { state } from "./driving.mjs";
import { writeWav } from "./wav.mjs";

const env = process.env;
const options = {
  baseUrl: env.BASE_URL ?? "http://127.0.0.1:8080",
  wav: env.WAV,
  leadMs: Number(env.LEAD_MS ?? 20_000),
  userId: env.USER_ID,
  /** `interruption`: the agent stops and the page shows what was not heard. `cough`: it goes on to its end. */
  expect: env.EXPECT,
  question: env.QUESTION ?? "What's on my list?",
  outDir: env.OUT_DIR ?? "e2e/out",
  playedWav: env.PLAYED_WAV,
  timeoutMs: Number(env.TIMEOUT_MS ?? 60_000),
};
/** The agent has been reading for about so long when the sound comes, in ms. */
const INTO_THE_ANSWER_MS = 5_000;
const PLAYED_RATE = 16_000;

const result = { ok: false, error: null, events: [], lines: [], tasks: [] };
const startedMs = Date.now();

const until = (page, what, test) => driving.until(page, what, options.timeoutMs, test);
const untilSilent = (page, what) => driving.untilSilent(page, what, options.timeoutMs);

/** Notes every event of the server as it comes through the socket, but for the lists. */
function listenIn(page) {
  page.on("websocket", (socket) => {
    socket.on("framereceived", ({ payload }) => {
      if (typeof payload !== "string") return;
      const event = JSON.parse(payload);
      if (event.type !== "tasks" && event.type !== "pong")
        result.events.push({ at_ms: Date.now() - startedMs, ...event });
    });
  });
}

/** Waits until the server has sent such an event. */
async function untilTold(page, type, test) {
  const deadline = Date.now() + options.timeoutMs;
  while (!result.events.some((event) => event.type === type && test(event))) {
    if (Date.now() > deadline) throw new Error(`${type}: not within ${options.timeoutMs} ms`);
    await page.waitForTimeout(50);
  }
}

async function ask(page) {
  await until(page, "the microphone is on", (now) => now.microphone === "on");
  const soundAtMs = Date.now() + options.leadMs;
  await until(page, "the call is up", (now) => now.link.name === "open");
  await driving.checkWay(page);
  await until(page, "the greeting", (now) => now.lines.some(({ who }) => who === "agent"));
  await untilSilent(page, "the greeting is over");
  const waitMs = soundAtMs - INTO_THE_ANSWER_MS - Date.now();
  if (waitMs < 0) throw new Error(`LEAD_MS: the greeting was over ${-waitMs} ms too late for the sound`);
  await page.waitForTimeout(waitMs);
  await page.getByTestId("text-input").fill(options.question);
  await page.getByTestId("text-send").click();
  await until(page, "the agent reads", (now) => now.agentState === "speaking");
  if (Date.now() > soundAtMs) throw new Error("LEAD_MS: the agent began to read after the sound");
}

async function interrupted(page) {
  await page.getByTestId("unheard").waitFor({ timeout: options.timeoutMs });
  await page.screenshot({ path: join(options.outDir, "interrupted.png") });
  // What the caller said instead is answered.
  await until(
    page,
    "the caller's words",
    (now) => now.lines.at(-1)?.who === "agent" && now.lines.at(-1)?.unheard === null,
  );
  await untilSilent(page, "the answer is over");
}

async function coughed(page) {
  await untilTold(page, "speech_resumed", () => true);
  await page.screenshot({ path: join(options.outDir, "coughed.png") });
  // It may be held for seconds, and is silent meanwhile: only the turn says that the list was read to its end.
  await untilTold(page, "turn", ({ turn }) => turn === 1);
  if ((await page.getByTestId("unheard").count()) !== 0) throw new Error("the page says that something was not heard");
}

async function keepWhatWasPlayed(page) {
  if (options.playedWav === undefined) return;
  const bytes = Buffer.from(await page.evaluate(() => window.__voiceAgentTest.played()), "base64");
  const samples = new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + (bytes.length & ~1)));
  writeFileSync(options.playedWav, writeWav([samples], PLAYED_RATE));
}

async function call() {
  if (options.wav === undefined) throw new Error("WAV names no file");
  const outcomes = { interruption: interrupted, cough: coughed };
  const outcome = outcomes[options.expect];
  if (outcome === undefined) throw new Error("EXPECT is interruption or cough");
  mkdirSync(options.outDir, { recursive: true });
  const { browser, close } = await openBrowser({ microphone: { wav: options.wav, leadMs: options.leadMs } });
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    await context.grantPermissions(["microphone"], { origin: options.baseUrl });
    if (options.userId !== undefined) {
      await context.addInitScript((id) => localStorage.setItem("voice-agent.user", id), options.userId);
    }
    const page = await context.newPage();
    const faults = [];
    page.on("pageerror", (error) => faults.push(error.message));
    listenIn(page);
    await page.goto(`${options.baseUrl}/?test=1`);
    await page.getByTestId("consent-talk").click();
    try {
      await ask(page);
      await outcome(page);
      await keepWhatWasPlayed(page);
    } finally {
      const now = await state(page).catch(() => null);
      result.lines = now?.lines.map(({ who, text, unheard }) => ({ who, text, unheard })) ?? [];
      result.tasks = now?.tasks.map(({ title }) => title) ?? [];
      result.stats = await page.evaluate(() => window.__voiceAgentTest.stats()).catch(() => null);
      result.session = await page
        .evaluate(() => JSON.parse(sessionStorage.getItem("voice-agent.session")))
        .catch(() => null);
    }
    if (faults.length > 0) throw new Error(`the page complained: ${faults.join(" | ")}`);
    result.ok = true;
  } finally {
    await close();
  }
}

await conclude(result, options.timeoutMs * 4, call());
