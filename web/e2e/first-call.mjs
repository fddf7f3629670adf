// A first call in a real browser: consent, a spoken command, the answer heard, the task seen, the server lost and back,
// a second turn by the text box. Driven by environment variables; see ../README.md, "The first call".
//
// stdout: `ready for restart` once the server may be killed, and last one line of JSON. Exit code 0 when all went well.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { conclude, openBrowser, within } from "./browser.mjs";
import * as driving from "./driving.mjs";
import { agentWords, state, watch } from "./driving.mjs";
import { writeWav } from "./wav.mjs";

const env = process.env;
const options = {
  baseUrl: env.BASE_URL ?? "http://127.0.0.1:8080",
  wav: env.WAV,
  leadMs: Number(env.LEAD_MS ?? 6_000),
  mode: env.MODE ?? "talk",
  outDir: env.OUT_DIR ?? "e2e/out",
  playedWav: env.PLAYED_WAV,
  timeoutMs: Number(env.TIMEOUT_MS ?? 45_000),
  restart: env.RESTART !== "0",
  expectCaption: new RegExp(env.EXPECT_CAPTION ?? "proposal", "i"),
  expectTask: new RegExp(env.EXPECT_TASK ?? "review the proposal", "i"),
  expectBack: env.EXPECT_BACK ?? "I'm back. We were discussing your task list. Where were we?",
  secondText: env.SECOND_TEXT ?? "What's on my list?",
  expectSecond: new RegExp(env.EXPECT_SECOND ?? "proposal", "i"),
};
const PLAYED_RATE = 16_000;

const result = { ok: false, error: null, steps: [], captions: [], tasks: [], reply: "", back: "", second: "" };
const startedMs = Date.now();

function done(step) {
  result.steps.push({ step, at_ms: Date.now() - startedMs });
}

const until = (page, what, test) => driving.until(page, what, options.timeoutMs, test);
const untilSilent = (page, what) => driving.untilSilent(page, what, options.timeoutMs);

async function picture(page, name) {
  await page.screenshot({ path: join(options.outDir, `${name}.png`) });
}

async function played(page) {
  const base64 = await page.evaluate(() => window.__voiceAgentTest.played());
  const bytes = Buffer.from(base64, "base64");
  return new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length - (bytes.length % 2)));
}

async function consent(page) {
  const asked = await page.evaluate(() => {
    const media = navigator.mediaDevices;
    const ask = media.getUserMedia.bind(media);
    window.__microphoneAsked = 0;
    media.getUserMedia = (constraints) => {
      window.__microphoneAsked++;
      return ask(constraints);
    };
    return window.__microphoneAsked;
  });
  await page.getByTestId("consent-dialog").waitFor({ timeout: options.timeoutMs });
  await picture(page, "1-consent");
  if (asked !== 0) throw new Error("the microphone was asked for before consent");
  await page.getByTestId(`consent-${options.mode}`).click();
  await until(page, "the call is up", (now) => now.phase.name === "live" && now.link.name === "open");
  if ((await page.evaluate(() => window.__microphoneAsked)) !== 1)
    throw new Error("the microphone was not asked for once");
  await driving.checkWay(page);
  done("consent");
}

async function speak(page) {
  await until(page, "the microphone is on", (now) => now.microphone === "on");
  await until(page, "the greeting", (now) => agentWords(now) !== "");
  done("greeting");
  const heard = await until(page, "the caption of what was said", (now) =>
    now.lines.some((line) => line.who === "you" && !line.interim && options.expectCaption.test(line.text)),
  );
  done("caption");
  const before = (await played(page)).length;
  const from = heard.lines.findIndex((line) => line.who === "you");
  await until(page, "the task in the list", (now) => now.tasks.some((task) => options.expectTask.test(task.title)));
  await page.getByTestId("task-title").filter({ hasText: options.expectTask }).first().waitFor();
  done("task");
  await picture(page, "2-answering");
  await until(page, "the answer's caption", (now) => agentWords(now, from) !== "");
  await untilSilent(page, "the answer is over");
  const now = await state(page);
  result.reply = agentWords(now, from);
  result.stats = await page.evaluate(() => window.__voiceAgentTest.stats());
  result.turns = now.turns;
  done("answer");
  await picture(page, "3-answered");
  keep((await played(page)).subarray(before));
}

/** What was played of the answer, for a test that listens. */
function keep(samples) {
  const energy = samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, samples.length);
  result.played = {
    seconds: samples.length / PLAYED_RATE,
    rms: Math.round(Math.sqrt(energy)),
    path: options.playedWav ?? null,
  };
  if (options.playedWav !== undefined) writeFileSync(options.playedWav, writeWav([samples], PLAYED_RATE));
  if (result.played.rms < 50) throw new Error("the answer was not to be heard");
}

async function survive(page, restarted) {
  const before = (await state(page)).lines.length;
  process.stdout.write("ready for restart\n");
  const lost = until(page, "the page notices that the server is gone", (now) => now.link.name === "waiting");
  await Promise.race([lost, restarted]);
  await picture(page, "4-reconnecting");
  await within(options.timeoutMs * 2, "the server's restart", restarted);
  done("restarted");
  await until(page, "the page is connected again", (now) => now.phase.name === "live" && now.link.name === "open");
  await driving.checkWay(page);
  done("reconnected");
  const back = await until(page, "the words of the return", (now) =>
    agentWords(now, before).replaceAll("’", "'").includes(options.expectBack),
  );
  result.back = agentWords(back, before);
  await untilSilent(page, "the words of the return are over");
  done("back");
  await picture(page, "5-back");
}

async function type(page) {
  const before = (await state(page)).lines.length;
  await page.getByTestId("text-input").fill(options.secondText);
  await page.getByTestId("text-send").click();
  const answered = await until(page, "the second answer", (now) => options.expectSecond.test(agentWords(now, before)));
  result.second = agentWords(answered, before);
  done("second turn");
  await picture(page, "6-second-turn");
}

async function call(restarted) {
  if (options.wav === undefined) throw new Error("WAV names no file");
  mkdirSync(options.outDir, { recursive: true });
  const { browser, close } = await openBrowser({ microphone: { wav: options.wav, leadMs: options.leadMs } });
  let page;
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    await context.grantPermissions(["microphone"], { origin: options.baseUrl });
    page = await context.newPage();
    const faults = watch(page);
    await page.goto(`${options.baseUrl}/?test=1`);
    await consent(page);
    await speak(page);
    if (options.restart) await survive(page, restarted);
    await type(page);
    const now = await state(page);
    result.notice = now.notice;
    result.microphoneAsked = await page.evaluate(() => window.__microphoneAsked);
    result.captions = now.lines.map(({ who, text, unheard }) => ({ who, text, unheard }));
    result.tasks = now.tasks.map(({ title, status, due, priority }) => ({ title, status, due, priority }));
    if (faults.length > 0) throw new Error(`the page complained: ${faults.join(" | ")}`);
    result.session = await page.evaluate(() => JSON.parse(sessionStorage.getItem("voice-agent.session")));
    result.ok = true;
  } catch (error) {
    if (page !== undefined && !page.isClosed()) {
      await picture(page, "failed").catch(() => undefined);
      result.state = await state(page).catch(() => null);
    }
    throw error;
  } finally {
    await close();
  }
}

async function main() {
  const input = createInterface({ input: process.stdin });
  const restarted = new Promise((resolve, reject) => {
    input.on("line", (line) => line.trim() === "server restarted" && resolve());
    input.on("close", () => reject(new Error("standard input ended before `server restarted`")));
  });
  // Only waited for when a restart is part of the call.
  restarted.catch(() => undefined);
  await conclude(result, options.timeoutMs * 5, call(restarted));
}

await main();
