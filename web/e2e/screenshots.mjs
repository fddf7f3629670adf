// Pictures of the page's states, against the mock server: three sizes, both themes. OUT_DIR names the folder.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startMockServer } from "../dev/mock-server.mjs";
import { openBrowser } from "./browser.mjs";
import { tell } from "./checks/mock.mjs";
import { crowd } from "./crowd.mjs";
import { operatorStates } from "./operator-states.mjs";
import { silence, writeWav } from "./wav.mjs";

const OUT = process.env.OUT_DIR ?? fileURLToPath(new URL("out/screenshots", import.meta.url));
const ONLY = process.env.ONLY;
const WAIT = { timeout: 10_000 };
/** SIZE is another one, as 640x400, which is what a window of 1280×800 has at 200 %. */
const { SIZE } = process.env;
const USUAL = { wide: [1280, 800], tablet: [820, 1100], phone: [390, 844] };
const SIZES = SIZE === undefined ? USUAL : { [SIZE]: SIZE.split("x").map(Number) };
/** States that are about the list: on a narrow page they are behind the switch. */
const ON_THE_LIST = new Set([
  "tasks",
  "undo",
  "editing",
  "editing-timed",
  "timeline",
  "writing",
  "empty",
  "crowded-list",
]);

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
  await page
    .getByTestId("task")
    .nth(3)
    .waitFor({ ...WAIT, state: "attached" });
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

async function settle(page) {
  // The mark of a changed task fades; everything else stands still.
  await page.waitForFunction(() =>
    document
      .getAnimations()
      .every((one) => one.effect.getTiming().iterations === Infinity || one.playState !== "running"),
  );
}

const slow = (mock, name) =>
  tell(mock, {
    type: "turn",
    turn: 3,
    latency_ms: 1_640,
    cause: name,
    cost_usd: 0.0021,
    stages: { endpointing: 260, stt: 70, llm: 180, tool: 30, tts: 90, network: 40, playout: 70, [name]: 900 },
  });

async function failMicrophone(page, name) {
  await page.evaluate((error) => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", error));
  }, name);
  await page.getByTestId("consent-talk").click();
  await page.getByTestId("microphone-trouble").waitFor(WAIT);
  await page.locator('[data-link="open"]').waitFor(WAIT);
  await quietDown(page);
}

const over = (code, screen) => async (page, mock) => {
  await live(page, mock, "type");
  conversation(mock);
  await page
    .getByTestId("turn")
    .first()
    .waitFor({ ...WAIT, state: "attached" });
  mock.world.inject({ close: code });
  await page.getByTestId(`screen-over-${screen}`).waitFor(WAIT);
};

/** The end of a call, for a reason that the server gives. */
const told = (reason) => async (page, mock) => {
  await live(page, mock, "type");
  conversation(mock);
  for (const call of mock.world.live) call.send({ type: "ended", outcome: "completed", reason });
  await page.getByTestId(`screen-over-${reason}`).waitFor(WAIT);
};

/** What is to be seen, by name: each leads a fresh page at the consent to where the picture is taken. */
const STATES = {
  async consent() {},
  async "consent-recording"(page, mock) {
    mock.world.inject({ records: true });
    await page.reload();
    await page.getByTestId("consent-dialog").waitFor(WAIT);
  },
  async recording(page, mock) {
    await STATES["consent-recording"](page, mock);
    await live(page, mock, "record");
    await quietDown(page);
    conversation(mock);
  },
  async asking(page) {
    await page.evaluate(() => {
      navigator.mediaDevices.getUserMedia = () => new Promise(() => undefined);
    });
    await page.getByTestId("consent-talk").click();
    await page.waitForFunction(() => window.__voiceAgentTest.state().microphone === "asking", null, WAIT);
  },
  async "slow-start"(page) {
    await page.route("**/api/sessions", () => undefined);
    await page.getByTestId("consent-type").click();
    await page.getByTestId("slow-start").waitFor(WAIT);
  },
  async greeting(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
  },
  async typing(page, mock) {
    await live(page, mock, "type");
    await quietDown(page);
  },
  async talking(page, mock) {
    await live(page, mock, "record");
    await quietDown(page);
    conversation(mock);
    tell(mock, { type: "user_speaking", speaking: true });
    tell(mock, { type: "transcript", utterance_id: 99, text: "and make the train to Ghent a high", final: false });
    await page.locator('[data-interim="true"]').waitFor(WAIT);
  },
  async speaking(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
    conversation(mock);
    await page.getByTestId("text-input").fill("What’s on my list?");
    await page.getByTestId("text-send").click();
    await page.waitForFunction(() => window.__voiceAgentTest.state().agentState === "speaking", null, WAIT);
  },
  async "screen-shared"(page, mock) {
    mock.world.inject({ screens: true });
    await live(page, mock, "talk");
    await quietDown(page);
    conversation(mock);
    await page.evaluate(() => {
      const canvas = document.createElement("canvas");
      // A canvas that nothing is drawn on gives no frame.
      setInterval(() => canvas.getContext("2d").fillRect(0, 0, 10, 10), 50);
      navigator.mediaDevices.getDisplayMedia = async () => canvas.captureStream(5);
    });
    await page.getByTestId("share-screen").click();
    await page.getByTestId("screen-sign").waitFor(WAIT);
    tell(mock, { type: "look", look_id: 1 });
    await page.locator('[data-testid="screen-sign"][data-looked="true"]').waitFor(WAIT);
  },
  async sending(page, mock) {
    await live(page, mock, "type");
    await quietDown(page);
    for (const call of mock.world.live) call.handleEvent = () => undefined;
    await page.getByTestId("text-input").fill("Add a task to call the dentist on Monday");
    await page.getByTestId("text-send").click();
    await page.getByTestId("caption-pending").waitFor(WAIT);
  },
  async waiting(page, mock) {
    await cutOff(page, mock);
    await page.getByTestId("text-input").fill("Add a task to call the dentist on Monday");
    await page.getByTestId("text-send").click();
    await page.getByTestId("caption-pending").waitFor(WAIT);
  },
  async writing(page, mock) {
    await live(page, mock, "type");
    for (const said of ["Add a task to water the plants", "What’s on my list?"]) {
      await page.getByTestId("text-input").fill(said);
      await page.getByTestId("text-send").click();
    }
    await page
      .getByTestId("turn")
      .nth(2)
      .waitFor({ ...WAIT, state: "attached" });
    await showList(page);
    await page.locator('[data-testid="timeline"] > summary').click();
  },
  async push(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
    conversation(mock);
    await page.getByTestId("audio-menu-open").click();
    await page.getByTestId("talk-mode-push").click();
    await page.keyboard.press("Escape");
    await page.getByTestId("push-to-talk").waitFor(WAIT);
  },
  async pushed(page, mock) {
    await STATES.push(page, mock);
    await page.keyboard.down("Space");
    await page.locator('[data-testid="push-to-talk"][aria-pressed="true"]').waitFor(WAIT);
  },
  async microphones(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
    conversation(mock);
    await page.getByTestId("audio-menu-open").click();
    await page.getByTestId("audio-menu").waitFor(WAIT);
  },
  async muted(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
    await page.getByTestId("mute").click();
    await page.locator('[data-state="muted"]').waitFor(WAIT);
  },
  async tasks(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
  },
  async empty(page, mock) {
    await live(page, mock, "type");
    mock.world.setTasks([...mock.world.sessions.values()][0].userId, []);
    await page.getByTestId("tasks-empty").waitFor({ ...WAIT, state: "attached" });
  },
  async crowded(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
    crowd(mock);
    await page
      .getByTestId("caption-you")
      .first()
      .waitFor({ ...WAIT, state: "attached" });
  },
  async "crowded-list"(page, mock) {
    await STATES.crowded(page, mock);
  },
  async undo(page, mock) {
    await live(page, mock, "type");
    await quietDown(page);
    await showList(page);
    await page.getByTestId("task-delete").nth(1).click();
    await page.getByTestId("undo-bar").waitFor(WAIT);
    await page.getByTestId("task-toggle").nth(1).click();
    await page.getByTestId("undo-bar").filter({ hasText: "1 earlier" }).waitFor(WAIT);
  },
  async editing(page, mock) {
    await live(page, mock, "type");
    await quietDown(page);
    await showList(page);
    await page.getByTestId("task-toggle").nth(3).click();
    await page.getByTestId("undo-bar").waitFor(WAIT);
    await page.getByTestId("task-edit").nth(1).click();
    await page.getByTestId("task-editor").waitFor(WAIT);
  },
  async "editing-timed"(page, mock) {
    await STATES.timeline(page, mock);
    const [session] = mock.world.sessions.values();
    mock.world.addTask(session.userId, { title: "Meet Lisa about the budget", due: "2030-12-01T09:30" });
    await page.getByRole("button", { name: "Edit: Meet Lisa about the budget" }).click();
    await page.getByTestId("task-editor").waitFor(WAIT);
  },
  async timeline(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
    conversation(mock);
    slow(mock, "tool");
    await showList(page);
    await page.locator('[data-testid="timeline"] > summary').click();
    await page.getByTestId("turn").nth(2).waitFor(WAIT);
  },
  "microphone-denied": (page) => failMicrophone(page, "NotAllowedError"),
  "microphone-missing": (page) => failMicrophone(page, "NotFoundError"),
  "microphone-busy": (page) => failMicrophone(page, "NotReadableError"),
  "microphone-unsupported": (page) => failMicrophone(page, "NotSupportedError"),
  async "microphone-lost"(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
    conversation(mock);
    await page.evaluate(() => window.__voiceAgentTest.unplug());
    await page.getByTestId("microphone-trouble").waitFor(WAIT);
  },
  async "sound-blocked"(page, mock) {
    // A tab that comes back untouched is held silent; here every touch would let the sound through, so it is taken away by hand.
    await page.addInitScript(() => {
      const Real = window.AudioContext;
      window.AudioContext = class extends Real {
        constructor(options) {
          super(options);
          window.__sound = this;
        }
      };
    });
    await page.reload();
    await live(page, mock, "talk");
    await quietDown(page);
    conversation(mock);
    await page.evaluate(() => window.__sound.suspend());
    await page.getByTestId("banner-sound").waitFor(WAIT);
  },
  async "text-only"(page, mock) {
    mock.world.inject({ refuse_socket: true });
    await page.getByTestId("consent-type").click();
    await page.getByTestId("banner-text-only").waitFor(WAIT);
    seed(mock);
    await page.getByTestId("text-input").fill("Add a task to call the dentist");
    await page.getByTestId("text-send").click();
    await page.getByTestId("caption-agent").nth(1).waitFor(WAIT);
  },
  async "voice-failed"(page, mock) {
    await live(page, mock, "talk");
    await quietDown(page);
    conversation(mock);
    mock.world.inject({ fallback: true });
    await page.getByTestId("banner-fallback").waitFor(WAIT);
  },
  async reconnecting(page, mock) {
    await cutOff(page, mock);
    await page.getByTestId("banner-reconnecting").waitFor(WAIT);
  },
  async "server-gone"(page, mock) {
    await cutOff(page, mock);
    await page.getByTestId("reconnecting-primary").waitFor(WAIT);
  },
  async unreachable(page) {
    await page.route("**/api/**", (route) => route.abort());
    await page.getByTestId("consent-type").click();
    await page.getByTestId("screen-refused").waitFor(WAIT);
  },
  async "server-fault"(page, mock) {
    mock.world.inject({ broken: true });
    await page.getByTestId("consent-type").click();
    await page.getByTestId("screen-refused").waitFor(WAIT);
  },
  async notice(page, mock) {
    await live(page, mock, "type");
    await quietDown(page);
    conversation(mock);
    mock.world.inject({ broken: true });
    await page.getByTestId("task-delete").first().click();
    await page.getByTestId("banner-notice").waitFor(WAIT);
  },
  async "not-signed-in"(page, mock) {
    mock.world.inject({ auth: "jwt" });
    await page.getByTestId("consent-type").click();
    await page.getByTestId("screen-refused").waitFor(WAIT);
  },
  async full(page, mock) {
    mock.world.inject({ full: true });
    await page.getByTestId("consent-talk").click();
    await page.getByTestId("screen-full").waitFor(WAIT);
  },
  ended: over(1000, "ended"),
  idle: over(4005, "idle"),
  gone: over(4002, "gone"),
  failed: over(4006, "failed"),
  taken: over(4001, "taken"),
  goodbye: told("goodbye"),
  operator: told("operator"),
  "too-long": told("too_long"),
  ceiling: told("ceiling"),
  async "server-starting"(page, mock) {
    mock.world.inject({ starting: true });
    await page.getByTestId("consent-talk").click();
    await page.getByTestId("screen-full").waitFor(WAIT);
  },
  async "recording-stopped"(page, mock) {
    mock.world.inject({ records: true });
    await live(page, mock, "record");
    await quietDown(page);
    conversation(mock);
    await page.getByTestId("recording").click();
    await page.locator('[data-testid="recording"][data-recording="false"]').waitFor(WAIT);
  },
  async offline(page, mock) {
    await cutOff(page, mock);
    await page.context().setOffline(true);
    await page.getByTestId("banner-reconnecting").filter({ hasText: "network is back" }).waitFor(WAIT);
  },
  protocol: over(4000, "protocol"),
  ...operatorStates,
};

async function cutOff(page, mock) {
  await live(page, mock, "talk");
  await quietDown(page);
  conversation(mock);
  await page
    .getByTestId("turn")
    .first()
    .waitFor({ ...WAIT, state: "attached" });
  await page.route("**/api/**", (route) => route.abort());
  mock.world.faults.refuse_socket = true;
  mock.world.inject({ drop: true });
}

async function showList(page) {
  const button = page.getByTestId("view-tasks");
  if (await button.isVisible()) await button.click();
}

/** One page for all pictures of a state: the window changes its size and its theme, as it does on a desk. */
async function shoot(browser, state, wanted) {
  const mock = await startMockServer();
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "no-preference" });
  await context.grantPermissions(["microphone"], { origin: mock.url });
  const page = await context.newPage();
  try {
    await page.goto(`${mock.url}/?test=1`);
    await page.getByTestId("consent-dialog").waitFor(WAIT);
    await STATES[state](page, mock);
    for (const { name, size, theme } of wanted) {
      const [width, height] = SIZES[size];
      await page.emulateMedia({ colorScheme: theme });
      await page.setViewportSize({ width, height });
      if (ON_THE_LIST.has(state)) await showList(page);
      await settle(page);
      await page.screenshot({ path: join(OUT, `${name}.png`) });
      console.log(name);
    }
  } catch (error) {
    throw new Error(`${state}: ${error.message}`);
  } finally {
    await context.close();
    await mock.close();
  }
}

function picturesOf(state) {
  const only = ONLY === undefined ? null : new RegExp(ONLY);
  const all = Object.keys(SIZES).flatMap((size) => ["light", "dark"].map((theme) => ({ size, theme })));
  const named = all.map((picture) => ({ ...picture, name: `${state}-${picture.size}-${picture.theme}` }));
  return named.filter(({ name }) => only === null || only.test(name));
}

async function main() {
  mkdirSync(OUT, { recursive: true });
  const scratch = mkdtempSync(join(tmpdir(), "voice-agent-pictures-"));
  const quiet = join(scratch, "quiet.wav");
  writeFileSync(quiet, writeWav([silence(16_000, 100)], 16_000));
  const { browser, close } = await openBrowser({ microphone: { wav: quiet, leadMs: 0 } });
  try {
    for (const state of Object.keys(STATES)) {
      const wanted = picturesOf(state);
      if (wanted.length > 0) await shoot(browser, state, wanted);
    }
  } finally {
    await close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

await main();
