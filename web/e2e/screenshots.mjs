// Pictures of the page's states, against the mock server: three sizes, both themes. OUT_DIR names the folder.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startMockServer } from "../dev/mock-server.mjs";
import { openBrowser } from "./browser.mjs";
import { silence, writeWav } from "./wav.mjs";

const OUT = process.env.OUT_DIR ?? fileURLToPath(new URL("out/screenshots", import.meta.url));
const ONLY = process.env.ONLY;
const WAIT = { timeout: 10_000 };
const SIZES = { wide: [1280, 800], tablet: [820, 1100], phone: [390, 844] };

function seed(mock) {
  const [session] = mock.world.sessions.values();
  const day = (ahead) => new Date(Date.now() + ahead * 86_400_000).toLocaleDateString("sv-SE");
  mock.world.setTasks(session.userId, []);
  mock.world.addTask(session.userId, { title: "Send the invoice to Marta", due: day(-1), priority: "high" });
  mock.world.addTask(session.userId, { title: "Book the train to Ghent", due: day(1) });
  mock.world.addTask(session.userId, { title: "Ask Priya about the A/B test on the pricing page", due: day(4) });
  mock.world.addTask(session.userId, { title: "Read the draft of the onboarding guide", priority: "low" });
  const done = mock.world.addTask(session.userId, { title: "Renew the parking permit" });
  mock.world.patchTask(session.userId, done.id, { status: "done" });
}

async function live(page, mock, mode) {
  await page.getByTestId(`consent-${mode}`).click();
  await page.locator('[data-phase="live"][data-link="open"]').waitFor(WAIT);
  seed(mock);
  await page.waitForTimeout(300);
}

function tell(mock, ...events) {
  for (const call of mock.world.live) for (const event of events) call.send(event);
}

/** A conversation with everything in it, told by hand so that every picture is the same. */
function conversation(mock) {
  const turn = (number, stages, cause) => ({
    type: "turn",
    turn: number,
    latency_ms: Object.values(stages).reduce((sum, ms) => sum + ms, 0),
    stages,
    cause,
    cost_usd: number * 0.0004,
  });
  tell(
    mock,
    { type: "transcript", utterance_id: 91, text: "What’s on my list?", final: true },
    {
      type: "agent_text",
      reply_id: 91,
      speech_id: 91,
      text: "You have four open tasks. The first is to send the invoice to Marta, which was due yesterday. The second is to book the train to Ghent.",
    },
    {
      type: "heard",
      reply_id: 91,
      heard: "You have four open tasks. The first is to send the invoice to Marta,",
      unheard: "which was due yesterday. The second is to book the train to Ghent.",
    },
    { type: "transcript", utterance_id: 92, text: "Add a task to review the proposal by Friday.", final: true },
    turn(1, { endpointing: 210, stt: 58, llm: 96, tool: 4, tts: 71, network: 14, playout: 60 }, null),
    turn(2, { endpointing: 240, stt: 64, llm: 540, tool: 8, tts: 80, network: 12, playout: 60 }, "llm"),
  );
  const [session] = mock.world.sessions.values();
  mock.world.addTask(session.userId, {
    title: "Review the proposal",
    due: new Date(Date.now() + 3 * 86_400_000).toLocaleDateString("sv-SE"),
  });
  tell(mock, {
    type: "agent_text",
    reply_id: 92,
    speech_id: 92,
    text: "I’ve added “Review the proposal”, due Friday.",
  });
}

async function quietDown(page) {
  await page.waitForFunction(() => window.__voiceAgentTest.state().agentState === "listening", null, WAIT);
}

const STATES = {
  async consent() {},
  async starting(page, mock) {
    await live(page, mock, "talk");
  },
  async talking(page, mock) {
    await live(page, mock, "record");
    await quietDown(page);
    conversation(mock);
    tell(mock, { type: "user_speaking", speaking: true });
    tell(mock, { type: "transcript", utterance_id: 99, text: "and make the train to Ghent a high", final: false });
    await page.waitForTimeout(3_000);
  },
  async speaking(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
    conversation(mock);
    await page.getByTestId("text-input").fill("What’s on my list?");
    await page.getByTestId("text-send").click();
    await page.waitForFunction(() => window.__voiceAgentTest.state().agentState === "speaking", null, WAIT);
    await page.waitForTimeout(900);
  },
  async timeline(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
    conversation(mock);
    if (await page.getByTestId("view-tasks").isVisible()) await page.getByTestId("view-tasks").click();
    await page.locator('[data-testid="timeline"] summary').click();
    await page.waitForTimeout(3_000);
  },
  async editing(page, mock) {
    await live(page, mock, "type");
    await quietDown(page);
    if (await page.getByTestId("view-tasks").isVisible()) await page.getByTestId("view-tasks").click();
    await page.getByTestId("task-toggle").nth(3).click();
    await page.getByTestId("task-edit").nth(1).click();
    await page.waitForTimeout(3_000);
  },
  async "text-only"(page, mock) {
    mock.world.inject({ refuse_socket: true });
    await page.getByTestId("consent-type").click();
    await page.getByTestId("banner-text-only").waitFor(WAIT);
    seed(mock);
    await page.getByTestId("text-input").fill("Add a task to call the dentist");
    await page.getByTestId("text-send").click();
    await page.getByTestId("caption-agent").nth(1).waitFor(WAIT);
    await page.waitForTimeout(300);
  },
  async fallback(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
    mock.world.inject({ fallback: true });
    await page.waitForTimeout(300);
  },
  async reconnecting(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
    conversation(mock);
    await page.waitForTimeout(300);
    await page.route("**/api/**", (route) => route.abort());
    mock.world.faults.refuse_socket = true;
    mock.world.inject({ drop: true });
    await page.waitForTimeout(5_000);
  },
  async muted(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
    await page.getByTestId("mute").click();
    await page.waitForTimeout(300);
  },
  async full(page, mock) {
    mock.world.inject({ full: true });
    await page.getByTestId("consent-talk").click();
    await page.getByTestId("screen-full").waitFor(WAIT);
  },
  async ended(page, mock) {
    await live(page, mock, "type");
    mock.world.inject({ close: 1000 });
    await page.getByTestId("screen-over-ended").waitFor(WAIT);
  },
  async taken(page, mock) {
    await live(page, mock, "talk");
    mock.world.inject({ close: 4001 });
    await page.getByTestId("screen-over-taken").waitFor(WAIT);
  },
};

async function shoot(browser, state, size, theme) {
  const mock = await startMockServer();
  const [width, height] = SIZES[size];
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, deviceScaleFactor: 1 });
  if (state !== "denied") await context.grantPermissions(["microphone"], { origin: mock.url });
  const page = await context.newPage();
  try {
    await page.goto(`${mock.url}/?test=1`);
    await page.getByTestId("consent-dialog").waitFor(WAIT);
    await STATES[state](page, mock);
    await page.screenshot({ path: join(OUT, `${state}-${size}-${theme}.png`) });
  } finally {
    await context.close();
    await mock.close();
  }
}

async function main() {
  mkdirSync(OUT, { recursive: true });
  const scratch = mkdtempSync(join(tmpdir(), "voice-agent-pictures-"));
  const quiet = join(scratch, "quiet.wav");
  writeFileSync(quiet, writeWav([silence(16_000, 100)], 16_000));
  const { browser, close } = await openBrowser({ microphone: { wav: quiet, leadMs: 0 } });
  try {
    for (const state of Object.keys(STATES)) {
      for (const size of Object.keys(SIZES)) {
        for (const theme of ["light", "dark"]) {
          const name = `${state}-${size}-${theme}`;
          if (ONLY !== undefined && !new RegExp(ONLY).test(name)) continue;
          await shoot(browser, state, size, theme);
          console.log(name);
        }
      }
    }
  } finally {
    await close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

await main();
