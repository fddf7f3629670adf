// For everyone: by keyboard, by ear, on a slow network, on a small screen, signed in, and when something is wrong.

import { crowd } from "../crowd.mjs";
import { eventually, tell } from "./mock.mjs";
import { axeInBoth, open, start, until, WAIT } from "./shared.mjs";

const turn = (number, cause, ms) => ({
  type: "turn",
  turn: number,
  latency_ms: 300 + ms,
  stages: { endpointing: 100, stt: 50, llm: 50, tool: 20, tts: 40, network: 20, playout: 20, [cause]: ms },
  cause: ms > 500 ? cause : null,
  cost_usd: 0.001,
});

/** A JSON Web Token as far as the mock server looks at one. */
function tokenFor(user) {
  const part = (fields) => Buffer.from(JSON.stringify(fields)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part({ sub: user })}.c2lnbmF0dXJl`;
}

const STAGES = ["endpointing", "stt", "llm", "tool", "tts", "network", "playout"];

/** Nothing lies over it, and it is within the window, where a wait for it would first scroll it there. */
async function inSight(part, where) {
  await eventually(`${part} in sight`, () =>
    part.evaluate((one, where) => {
      const { x, y, width, height } = one.getBoundingClientRect();
      const at = document.elementFromPoint(x + width / 2, where === "bottom" ? y + height - 3 : y + height / 2);
      return at !== null && one.contains(at);
    }, where),
  );
}

/** In the page: what has the focus, and what is wrong with how it is shown; null for nothing. */
function focused() {
  const one = document.activeElement;
  if (one === null || one === document.body) return null;
  const name = one.ariaLabel ?? (one.labels?.[0]?.innerText || one.innerText.replace(/\s+/g, " ").trim());
  const style = getComputedStyle(one);
  // The field for a new task has its ring around all of its row.
  if (one.id === "new-task")
    return { name, fault: getComputedStyle(one.parentElement).boxShadow === "none" ? "no ring" : "" };
  if (style.outlineStyle === "none") return { name, fault: "no ring" };
  const out = Number.parseFloat(style.outlineOffset) + Number.parseFloat(style.outlineWidth);
  const ring = one.getBoundingClientRect();
  for (let around = one.parentElement; around !== null; around = around.parentElement) {
    if (getComputedStyle(around).overflowX === "visible") continue;
    const room = around.getBoundingClientRect();
    if (ring.left - out < room.left - 0.5 || ring.right + out > room.right + 0.5)
      return { name, fault: "its ring is cut off" };
  }
  return { name, fault: name === "" ? "no name" : "" };
}

export const people = {
  async "the consent and its three choices are without fault, and nothing begins before one"(page, mock) {
    await open(page, mock);
    await axeInBoth(page, "the consent");
    for (const mode of ["record", "talk", "type"]) await page.getByTestId(`consent-${mode}`).waitFor(WAIT);
    const focus = await page.evaluate(() => document.activeElement.id);
    if (focus !== "consent-title") throw new Error(`the focus is on ${focus}`);
    if (mock.world.sessions.size !== 0) throw new Error("a session was opened before the consent");
  },

  async "a conversation by keyboard alone, from the consent to the end and back"(page, mock) {
    await open(page, mock);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator('[data-link="open"]').waitFor(WAIT);
    await page.waitForFunction(() => document.activeElement?.id === "message", null, WAIT);
    await page.keyboard.type("Add a task to buy milk");
    await page.keyboard.press("Enter");
    await page.getByTestId("task-title").filter({ hasText: "Buy milk" }).waitFor(WAIT);
    await page.getByTestId("task-edit").focus();
    await page.keyboard.press("Enter");
    await page.getByTestId("edit-title").waitFor(WAIT);
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.activeElement?.dataset.testid === "task-edit", null, WAIT);
    await page.getByTestId("task-delete").focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.id === "tasks-title", null, WAIT);
    await page.getByTestId("undo").focus();
    await page.keyboard.press("Enter");
    await page.getByTestId("task-title").filter({ hasText: "Buy milk" }).waitFor(WAIT);
    await page.getByTestId("skip").focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.id === "talk", null, WAIT);
    await page.getByTestId("end").focus();
    await page.keyboard.press("Enter");
    await page.getByTestId("screen-over-ended").waitFor(WAIT);
    await page.waitForFunction(() => document.activeElement?.id === "screen-title", null, WAIT);
    await page.getByTestId("transcript").locator("summary").focus();
    await page.keyboard.press("Enter");
    await page.getByTestId("caption-you").filter({ hasText: "buy milk" }).waitFor(WAIT);
    await axeInBoth(page, "the end");
    await page.getByTestId("screen-primary").focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement?.id === "consent-title", null, WAIT);
  },

  async "a screen reader is told the words when nobody speaks them, and never half of them"(page, mock) {
    await start(page, mock, "type");
    const log = page.getByTestId("captions");
    if ((await log.getAttribute("aria-live")) !== "polite") throw new Error("the log is silent for who reads");
    await start(page, mock, "talk");
    await page.locator('[data-testid="captions"][aria-live="off"]').waitFor(WAIT);
    tell(mock, { type: "transcript", utterance_id: 7, text: "add a", final: false });
    await page.locator('[data-interim="true"]').waitFor(WAIT);
    if ((await log.locator('[data-interim="true"]').count()) !== 0) throw new Error("half a sentence is in the log");
    if ((await page.locator('[aria-hidden="true"] [data-interim="true"]').count()) !== 1)
      throw new Error("it is read out");
    tell(mock, { type: "transcript", utterance_id: 7, text: "Add a task.", final: true });
    await log.getByTestId("caption-you").waitFor(WAIT);
    await page
      .getByTestId("announcement")
      .filter({ hasText: "Connected" })
      .waitFor({ ...WAIT, state: "attached" });
    mock.world.inject({ fallback: true });
    await page.locator('[data-testid="captions"][aria-live="polite"]').waitFor(WAIT);
    await axeInBoth(page, "voice failed");
  },

  async "every pause has a cause in words, and every turn its stages and its cost"(page, mock) {
    await start(page, mock, "type");
    await page.locator('[data-testid="timeline"] > summary').click();
    tell(mock, ...STAGES.map((stage, i) => turn(i + 1, stage, 900)), turn(8, "llm", 50));
    await page.locator('[data-turn="8"]').waitFor(WAIT);
    for (const stage of STAGES) {
      const words = await page.locator(`[data-cause="${stage}"]`).innerText();
      if (!words.includes("900 ms")) throw new Error(`${stage}: ${words}`);
    }
    if ((await page.getByTestId("turn-cause").count()) !== STAGES.length) throw new Error("a short pause has a cause");
    await page.getByTestId("spent").filter({ hasText: "$0.0080" }).waitFor(WAIT);
    await axeInBoth(page, "the timeline");
  },

  async "a live conversation with everything in it is without fault, wide and narrow"(page, mock) {
    mock.world.inject({ records: true });
    await start(page, mock, "record");
    const [session] = mock.world.sessions.values();
    mock.world.addTask(session.userId, { title: "Send the invoice", due: "2020-01-01", priority: "high" });
    mock.world.addTask(session.userId, { title: "Read the draft", priority: "low" });
    tell(
      mock,
      { type: "agent_text", reply_id: 90, speech_id: 90, text: "You have two tasks. The first is the invoice." },
      { type: "heard", reply_id: 90, heard: "You have two tasks.", unheard: "The first is the invoice." },
      { type: "transcript", utterance_id: 91, text: "and the", final: false },
    );
    await page.locator('[data-interim="true"]').waitFor(WAIT);
    await axeInBoth(page, "a live conversation");
    for (const width of [390, 320]) {
      await page.setViewportSize({ width, height: 640 });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) throw new Error(`${over} px too wide at ${width} px`);
      await axeInBoth(page, `${width} px`);
      await page.getByTestId("view-tasks").click();
      await page.getByTestId("task-edit").first().click();
      await axeInBoth(page, `the list at ${width} px`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) throw new Error(`the list is ${wide} px too wide at ${width} px`);
      await page.keyboard.press("Escape");
      await page.getByTestId("view-talk").click();
    }
  },

  async "with the keyboard up, the text box and the last words are in sight"(page, mock) {
    await page.setViewportSize({ width: 390, height: 844 });
    await start(page, mock, "type");
    await page.getByTestId("text-input").fill("What is on my list?");
    await page.keyboard.press("Enter");
    const answer = page.getByTestId("caption-agent").filter({ hasText: "open tasks" });
    await answer.waitFor(WAIT);
    await page.setViewportSize({ width: 390, height: 420 });
    for (const part of [page.getByTestId("text-input"), answer]) {
      await eventually("it is in sight", () =>
        part.evaluate(
          (one) => one.getBoundingClientRect().bottom <= innerHeight && one.getBoundingClientRect().top >= 0,
        ),
      );
    }
  },

  async "on a slow network the page is useful before its fonts, and says that it waits"(page, mock) {
    const link = await page.context().newCDPSession(page);
    await link.send("Network.enable");
    const bytesPerS = 50_000;
    const slow = { offline: false, latency: 400, downloadThroughput: bytesPerS, uploadThroughput: bytesPerS };
    await link.send("Network.emulateNetworkConditions", slow);
    await page.route("**/*.woff2", () => undefined);
    let letThrough;
    await page.route("**/api/sessions", async (route) => {
      await new Promise((resolve) => {
        letThrough = resolve;
      });
      await route.continue();
    });
    await page.goto(`${mock.url}/?test=1`, { waitUntil: "commit" });
    await page.getByTestId("consent-type").click(WAIT);
    await page.getByTestId("slow-start").waitFor(WAIT);
    await axeInBoth(page, "a slow start");
    letThrough();
    await page.locator('[data-link="open"]').waitFor(WAIT);
    await page.getByTestId("text-input").fill("Add a task to buy milk");
    await page.keyboard.press("Enter");
    await page.getByTestId("task-title").filter({ hasText: "Buy milk" }).waitFor(WAIT);
  },

  async "a slow start can be given up, and leaves no session behind"(page, mock) {
    await open(page, mock);
    let letThrough;
    const arrived = new Promise((resolve) => {
      page.route("**/api/sessions", async (route) => {
        await new Promise((go) => {
          letThrough = go;
          resolve();
        });
        await route.continue();
      });
    });
    await page.getByTestId("consent-type").click();
    await arrived;
    await page.getByTestId("slow-start").getByRole("button").click(WAIT);
    await page.getByTestId("consent-dialog").waitFor(WAIT);
    const gone = page.waitForRequest((request) => request.method() === "DELETE", WAIT);
    letThrough();
    await gone;
    await eventually("no session is left", () => mock.world.sessions.size === 0);
    await page.getByTestId("consent-dialog").waitFor(WAIT);
  },

  async "a typed message shows at once that it is on its way"(page, mock) {
    await start(page, mock, "type");
    const [call] = mock.world.live;
    const handle = call.handleEvent.bind(call);
    const kept = [];
    call.handleEvent = (data) => (String(data).includes('"text"') ? kept.push(data) : handle(data));
    await page.getByTestId("text-input").fill("Add a task to buy milk");
    await page.keyboard.press("Enter");
    await page.getByTestId("caption-pending").filter({ hasText: "buy milk" }).waitFor(WAIT);
    await axeInBoth(page, "a message on its way");
    await eventually("the message", () => kept.length > 0);
    handle(kept[0]);
    await page.getByTestId("caption-you").filter({ hasText: "buy milk" }).waitFor(WAIT);
    await page.getByTestId("caption-pending").waitFor({ ...WAIT, state: "detached" });
  },

  async "a caller who must sign in shows a token, which is not left in the address"(page, mock) {
    mock.world.inject({ auth: "jwt" });
    await open(page, mock);
    await page.getByTestId("consent-type").click();
    await page.getByTestId("screen-refused").filter({ hasText: "You are not signed in" }).waitFor(WAIT);
    await axeInBoth(page, "not signed in");
    await page.goto(`${mock.url}/?test=1#access_token=${tokenFor("anna")}&token_type=bearer`);
    await page.waitForFunction(() => location.hash === "", null, WAIT);
    await page.reload();
    await page.getByTestId("consent-type").click();
    await page.locator('[data-link="open"]').waitFor(WAIT);
    const users = [...mock.world.sessions.values()].map(({ userId }) => userId);
    if (users.join() !== "anna") throw new Error(`the session is of ${users}`);
    if (/access_token/.test(page.url())) throw new Error("the token is in the address");
    await page.reload();
    await page.locator('[data-link="open"]').waitFor(WAIT);
  },

  async "a server that cannot be reached has its own screen, and its return is enough"(page, mock) {
    await open(page, mock);
    await page.route("**/api/**", (route) => route.abort());
    await page.getByTestId("consent-type").click();
    await page.getByTestId("screen-refused").filter({ hasText: "cannot be reached" }).waitFor(WAIT);
    await axeInBoth(page, "unreachable");
    await page.unroute("**/api/**");
    await page.locator('[data-link="open"]').waitFor(WAIT);
  },

  async "by keyboard every place is seen: a ring that nothing cuts off, and a name"(page, mock) {
    mock.world.inject({ records: true, screens: true });
    await start(page, mock, "record");
    const [session] = mock.world.sessions.values();
    const done = mock.world.addTask(session.userId, { title: "Water the plants" });
    mock.world.patchTask(session.userId, done.id, { status: "done" });
    mock.world.addTask(session.userId, { title: "Book the train" });
    tell(mock, turn(1, "llm", 900), turn(2, "llm", 100));
    await page
      .getByTestId("task")
      .nth(1)
      .waitFor({ ...WAIT, state: "attached" });
    await page.locator(".done summary").click();
    await page.locator('[data-testid="timeline"] > summary').click();
    await page.getByTestId("turn").nth(1).waitFor(WAIT);
    await page.locator("#talk").focus();
    const seen = [];
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press("Tab");
      const place = await page.evaluate(focused);
      if (place === null) break;
      if (place.fault !== "") throw new Error(`${place.name}: ${place.fault}`);
      seen.push(place.name);
    }
    for (const name of ["Mute", "Microphone settings", "Share the screen", "Done: Book the train", "Timing"])
      if (!seen.some((one) => one.startsWith(name))) throw new Error(`${name} is not reached: ${seen.join(", ")}`);
  },

  async "on the smallest phone the greeting is what is seen first"(page, mock) {
    await page.setViewportSize({ width: 320, height: 560 });
    await start(page, mock, "type");
    await page.getByTestId("caption-agent").waitFor(WAIT);
    await inSight(page.getByTestId("caption-agent"), "middle");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) throw new Error(`${wide} px too wide`);
  },

  async "at 200 % nothing is out of reach: the box below a trouble, the buttons under the undo, the last word"(
    page,
    mock,
  ) {
    // A window of 1280×800 has this many pixels of the page then.
    await page.setViewportSize({ width: 640, height: 400 });
    await start(page, mock, "talk");
    crowd(mock);
    await page.getByTestId("caption-you").filter({ hasText: "bbb" }).waitFor(WAIT);
    await inSight(page.getByTestId("caption-you").last(), "bottom");
    mock.world.inject({ fallback: true });
    await page.getByTestId("banner-fallback").waitFor(WAIT);
    await inSight(page.getByTestId("text-input"), "middle");
    await axeInBoth(page, "at 200 %");
    await page.getByTestId("view-tasks").click();
    await page.getByTestId("task-toggle").nth(1).click();
    await page.getByTestId("undo-bar").waitFor(WAIT);
    await page.getByTestId("task-edit").nth(1).click();
    await inSight(page.getByTestId("edit-save"), "bottom");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) throw new Error(`${wide} px too wide`);
  },

  async "a server's fault is told in words, without its number"(page, mock) {
    const noted = [];
    page.on("console", (message) => noted.push(message.text()));
    mock.world.inject({ broken: true });
    await open(page, mock);
    await page.getByTestId("consent-type").click();
    const screen = page.getByTestId("screen-refused").filter({ hasText: "Something went wrong on the server" });
    await screen.waitFor(WAIT);
    const said = await screen.innerText();
    if (/\d|defect/.test(said)) throw new Error(said);
    await eventually("the detail in the console", () =>
      noted.some((line) => line.includes("500 internal This is a defect")),
    );
    await axeInBoth(page, "a server's fault");
    mock.world.inject({ broken: false });
    await page.getByTestId("screen-primary").click();
    await page.locator('[data-link="open"]').waitFor(WAIT);
    mock.world.inject({ broken: true });
    await page.getByTestId("task-add-input").fill("Water the plants");
    await page.keyboard.press("Enter");
    await page.getByTestId("banner-notice").filter({ hasText: "Something went wrong on the server" }).waitFor(WAIT);
    if (/\d/.test(await page.getByTestId("banner-notice").innerText())) throw new Error("the notice has a number");
    if ((await page.getByTestId("task-add-input").inputValue()) !== "Water the plants") throw new Error("it is gone");
  },

  async "who waits for a line goes on waiting while the server is gone, and is let in when it is back"(page, mock) {
    mock.world.inject({ full: true });
    await open(page, mock);
    await page.getByTestId("consent-talk").click();
    await page.getByTestId("screen-full").waitFor(WAIT);
    await mock.close();
    await page.getByTestId("screen-primary").click();
    await page.getByTestId("screen-refused").filter({ hasText: "cannot be reached" }).waitFor(WAIT);
    await page.getByTestId("retry-in").waitFor(WAIT);
    mock.world.inject({ full: false });
    await mock.restart();
    await page.locator('[data-phase="live"][data-link="open"]').waitFor(WAIT);
    await until(page, { microphone: "on" });
  },

  async "what is typed while the server is away is sent when it is back, and what is half typed stays"(page, mock) {
    await start(page, mock, "type");
    await mock.close();
    await page.waitForFunction(() => window.__voiceAgentTest.state().link.name === "waiting", null, WAIT);
    await page.getByTestId("text-input").fill("Add a task to buy milk");
    await page.keyboard.press("Enter");
    await page.getByTestId("caption-pending").filter({ hasText: "Waiting for the connection" }).waitFor(WAIT);
    await axeInBoth(page, "a message that waits");
    await page.getByTestId("text-input").fill("Add a task to");
    mock.world.inject({ starting: true });
    await mock.restart();
    // A server that is still starting is waited for with the conversation in sight.
    const tried = await page.evaluate(() => window.__voiceAgentTest.state().link.attempt);
    await page.waitForFunction((tried) => window.__voiceAgentTest.state().link.attempt > tried + 1, tried, WAIT);
    if ((await page.getByTestId("text-input").inputValue()) !== "Add a task to") throw new Error("the draft is gone");
    // What waits outlives this page. A new one waits on a screen without a text box.
    await page.reload();
    await page.getByTestId("screen-full").waitFor(WAIT);
    mock.world.inject({ starting: false });
    await page.getByTestId("task-title").filter({ hasText: "Buy milk" }).waitFor(WAIT);
    await page.getByTestId("caption-pending").waitFor({ ...WAIT, state: "detached" });
    if ((await page.getByTestId("text-input").inputValue()) !== "Add a task to") throw new Error("the draft is gone");
    if ((await page.getByTestId("banner-notice").count()) !== 0) throw new Error("the notice stands on");
    await page.reload();
    await page.locator('[data-link="open"]').waitFor(WAIT);
    if ((await page.getByTestId("text-input").inputValue()) !== "Add a task to")
      throw new Error("a reload lost the draft");
    if ((await page.getByTestId("task").count()) !== 1) throw new Error("it was sent twice");
  },

  async "what HTTP could not carry is in the text box again, until the notice is no longer true"(page, mock) {
    mock.world.inject({ refuse_socket: true });
    await open(page, mock);
    await page.getByTestId("consent-type").click();
    await page.getByTestId("banner-text-only").waitFor(WAIT);
    await page.route("**/messages", (route) => route.fulfill({ status: 503, json: { code: "busy" } }));
    await page.getByTestId("text-input").fill("Add a task to buy milk");
    await page.keyboard.press("Enter");
    await page.getByTestId("banner-notice").filter({ hasText: "could not be sent" }).waitFor(WAIT);
    if ((await page.getByTestId("text-input").inputValue()) !== "Add a task to buy milk") throw new Error("it is gone");
    await page.unroute("**/messages");
    mock.world.inject({ refuse_socket: false });
    await page.getByTestId("banner-text-only").getByRole("button").click();
    await page.locator('[data-link="open"]').waitFor(WAIT);
    await page.getByTestId("banner-notice").waitFor({ ...WAIT, state: "detached" });
    await page.getByTestId("text-send").click();
    await page.getByTestId("task-title").filter({ hasText: "Buy milk" }).waitFor(WAIT);
  },

  async "a server that is gone in mid-call has its own screen, and its return is enough"(page, mock) {
    await start(page, mock, "type");
    mock.world.faults.refuse_socket = true;
    await page.route("**/api/**", (route) => route.abort());
    mock.world.inject({ drop: true });
    await page.getByTestId("reconnecting-primary").waitFor(WAIT);
    await axeInBoth(page, "the server is gone");
    await page.getByTestId("reconnecting-primary").focus();
    mock.world.faults.refuse_socket = false;
    await page.unroute("**/api/**");
    await page.locator('[data-link="open"]').waitFor(WAIT);
    await page.waitForFunction(() => document.activeElement?.id === "talk", null, WAIT);
  },
};
