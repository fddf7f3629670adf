// The page in a real Chromium against the mock server: the first call with a killed server, and every way a call can end.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { startMockServer } from "../dev/mock-server.mjs";
import { openBrowser } from "./browser.mjs";
import { calls } from "./checks/calls.mjs";
import { devices } from "./checks/devices.mjs";
import { operators } from "./checks/operators.mjs";
import { people } from "./checks/people.mjs";
import { recovery } from "./checks/recovery.mjs";
import { WAIT } from "./checks/shared.mjs";
import { silence, writeWav } from "./wav.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** How many checks run side by side, each with a server and a context of its own: they wait more than they work. */
const AT_ONCE = 3;

/** Two seconds of something that an energy VAD takes for speech. */
function babble() {
  const rate = 16_000;
  const samples = new Int16Array(rate * 2);
  for (let i = 0; i < samples.length; i++) {
    const t = i / rate;
    const syllable = 0.6 + 0.4 * Math.sin(2 * Math.PI * 4 * t);
    samples[i] = 9_000 * syllable * (Math.sin(2 * Math.PI * 180 * t) + 0.4 * Math.sin(2 * Math.PI * 900 * t));
  }
  return writeWav([samples], rate);
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startMockProcess(port, state) {
  const child = spawn(process.execPath, [here("../dev/mock-server.mjs")], {
    env: { ...process.env, PORT: String(port), MOCK_STATE: state },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("exit", () => reject(new Error("the mock server did not start")));
  });
  return child;
}

async function firstCall(scratch) {
  const wav = join(scratch, "babble.wav");
  writeFileSync(wav, babble());
  const port = await freePort();
  const state = join(scratch, "state.json");
  let mock = await startMockProcess(port, state);
  const out = process.env.OUT_DIR ?? here("out/first-call");
  const call = spawn(process.execPath, [here("first-call.mjs")], {
    env: {
      ...process.env,
      BASE_URL: `http://127.0.0.1:${port}`,
      WAV: wav,
      OUT_DIR: out,
      PLAYED_WAV: join(scratch, "played.wav"),
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = new Promise((resolve) => call.once("exit", resolve));
  let last = "";
  try {
    for await (const line of createInterface({ input: call.stdout })) {
      last = line;
      if (line !== "ready for restart") continue;
      mock.kill("SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      mock = await startMockProcess(port, state);
      call.stdin.write("server restarted\n");
    }
    const code = await exited;
    if (code !== 0) throw new Error(last);
  } finally {
    call.kill("SIGKILL");
    mock.kill("SIGKILL");
  }
}

async function refusedMicrophone(browser) {
  const mock = await startMockServer();
  const page = await browser.newPage();
  try {
    await page.goto(`${mock.url}/?test=1`);
    await page.getByTestId("consent-talk").click();
    await page.getByTestId("banner-microphone").waitFor(WAIT);
    await page.getByTestId("text-input").fill("Add a task to buy milk");
    await page.getByTestId("text-send").click();
    await page.getByTestId("task-title").filter({ hasText: "Buy milk" }).waitFor(WAIT);
  } finally {
    await page.close();
    await mock.close();
  }
}

/** What the page took its state to be, without the words: what a failure is explained by. */
async function stateOf(page) {
  const state = () => {
    const { lines, tasks, turns, ...rest } = window.__voiceAgentTest?.state() ?? {};
    return JSON.stringify({ touched: navigator.userActivation.hasBeenActive, ...rest });
  };
  return await page.evaluate(state).catch((error) => `no state: ${error.message}`);
}

async function runCheck(browser, name, check) {
  const mock = await startMockServer();
  const context = await browser.newContext();
  await context.grantPermissions(["microphone"], { origin: mock.url });
  const page = await context.newPage();
  const faults = [];
  context.on("weberror", (error) => faults.push(error.error().message));
  context.on("console", (message) => {
    if (/Content Security Policy/i.test(message.text())) faults.push(message.text());
  });
  try {
    await check(page, mock);
    if (faults.length > 0) throw new Error(faults.join(" | "));
  } catch (error) {
    throw new Error(`${name}: ${error.message}\n        the page was in ${await stateOf(context.pages().at(-1))}`);
  } finally {
    await context.close();
    await mock.close();
  }
}

async function main() {
  const scratch = mkdtempSync(join(tmpdir(), "voice-agent-smoke-"));
  const failures = [];
  let passed = 0;
  const only = process.env.ONLY;
  const attempt = async (name, run) => {
    if (only !== undefined && !name.includes(only)) return;
    try {
      await run();
      passed++;
      console.log(`ok      ${name}`);
    } catch (error) {
      failures.push(name);
      console.log(`FAILED  ${name}\n        ${error.message}`);
    }
  };
  try {
    await attempt("the first call, with a killed server", () => firstCall(scratch));
    // Without a file Chromium's microphone beeps, and a beep interrupts the agent.
    const quiet = join(scratch, "quiet.wav");
    writeFileSync(quiet, writeWav([silence(16_000, 100)], 16_000));
    const { browser, close } = await openBrowser({
      microphone: { wav: quiet, leadMs: 0 },
      screen: "To be shared",
    });
    try {
      const left = Object.entries({ ...calls, ...devices, ...people, ...recovery, ...operators });
      const runOnes = async () => {
        for (let next = left.shift(); next !== undefined; next = left.shift()) {
          const [name, check] = next;
          await attempt(name, () => runCheck(browser, name, check));
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, runOnes));
      await attempt("a refused microphone leaves typing", () => refusedMicrophone(browser));
    } finally {
      await close();
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(`${passed} passed, ${failures.length} failed`);
  process.exit(failures.length === 0 ? 0 : 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
