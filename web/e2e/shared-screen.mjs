// A caller in a real browser shares another tab, and says something about it. Driven by environment variables; see ../README.md,
// "The shared screen".
//
// stdout: one line of JSON. Exit code 0 when the agent looked, and answered.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { conclude, openBrowser } from "./browser.mjs";
import * as driving from "./driving.mjs";
import { agentWords, state, watch } from "./driving.mjs";

const env = process.env;
const options = {
  baseUrl: env.BASE_URL ?? "http://127.0.0.1:8080",
  /** A page of `pages`: `issue`, `mail` or `notes`. */
  shows: env.SHOWS ?? "notes",
  /** What is said: a WAV for the microphone, which begins `LEAD_MS` after the consent, or else words that are typed. */
  wav: env.WAV,
  leadMs: Number(env.LEAD_MS ?? 12_000),
  text: env.TEXT ?? "Add the three action items on my screen",
  userId: env.USER_ID,
  outDir: env.OUT_DIR ?? "e2e/out",
  timeoutMs: Number(env.TIMEOUT_MS ?? 60_000),
};

const result = { ok: false, error: null, tasks: [], reply: "", said: "", looked: false };
const until = (page, what, test) => driving.until(page, what, options.timeoutMs, test);

async function picture(page, name) {
  await page.screenshot({ path: join(options.outDir, `${options.shows}-${name}.png`) });
}

async function begin(page) {
  const mode = options.wav === undefined ? "type" : "talk";
  const user = options.userId;
  if (user !== undefined) await page.evaluate((id) => localStorage.setItem("voice-agent.user", id), user);
  await page.getByTestId(`consent-${mode}`).click();
  await until(page, "the call is up", (now) => now.phase.name === "live" && now.link.name === "open");
  await driving.checkWay(page);
  await page.getByTestId("share-screen").click();
  await page.getByTestId("screen-sign").filter({ hasText: "Screen shared" }).waitFor();
  await picture(page, "1-shared");
}

async function ask(page) {
  if (options.wav === undefined) {
    await page.getByTestId("text-input").fill(options.text);
    await page.getByTestId("text-send").click();
  }
  const heard = await until(page, "what was said", (now) =>
    now.lines.some((line) => line.who === "you" && !line.interim),
  );
  const from = heard.lines.findIndex((line) => line.who === "you");
  result.said = heard.lines[from].text;
  await page.locator('[data-testid="screen-sign"][data-looked="true"]').waitFor({ timeout: options.timeoutMs });
  result.looked = true;
  // "Let me have a look." is no answer yet: the turn is over when the task is there, too.
  await until(page, "the answer", (now) => now.turns.length > 0 && agentWords(now, from) !== "");
  await driving.untilSilent(page, "the answer is over", options.timeoutMs);
  const now = await state(page);
  result.reply = agentWords(now, from);
  result.turns = now.turns;
  result.tasks = now.tasks.map(({ title, due, priority }) => ({ title, due, priority }));
  await picture(page, "2-answered");
}

async function stop(page) {
  await page.getByTestId("screen-sign").click();
  await page.getByTestId("screen-sign").waitFor({ state: "detached" });
}

async function call() {
  mkdirSync(options.outDir, { recursive: true });
  const microphone = options.wav === undefined ? null : { wav: options.wav, leadMs: options.leadMs };
  const titles = { issue: "Tracker", mail: "Inbox", notes: "Notes" };
  const { browser, close } = await openBrowser({ microphone, screen: titles[options.shows] });
  let page;
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 720 } });
    await context.grantPermissions(["microphone"], { origin: options.baseUrl });
    const shown = await context.newPage();
    await shown.goto(new URL(`pages/${options.shows}.html`, import.meta.url).href);
    page = await context.newPage();
    const faults = watch(page);
    await page.goto(`${options.baseUrl}/?test=1`);
    await begin(page);
    await ask(page);
    await stop(page);
    if (faults.length > 0) throw new Error(`the page complained: ${faults.join(" | ")}`);
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

await conclude(result, options.timeoutMs * 3, call());
