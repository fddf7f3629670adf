// Ways in which a call begins, goes on and ends.

import { eventually, frames, nothingComes, played, told } from "./mock.mjs";
import { axeInBoth, open, start, WAIT } from "./shared.mjs";

export const calls = {
  async "a second tab takes over and gives back"(page, mock) {
    await start(page, mock, "talk");
    // A tab that is duplicated has its storage, too.
    const kept = await page.evaluate(() => Object.entries(sessionStorage));
    const second = await page.context().newPage();
    await second.goto(`${mock.url}/icon.svg`);
    await second.evaluate((entries) => {
      for (const [key, value] of entries) sessionStorage.setItem(key, value);
    }, kept);
    await second.goto(`${mock.url}/?test=1`);
    await second.locator('[data-phase="live"][data-link="open"]').waitFor(WAIT);
    await page.getByTestId("screen-over-taken").waitFor(WAIT);
    await axeInBoth(page, "a second tab");
    await second.getByTestId("text-input").fill("Add a task to buy milk");
    await second.getByTestId("text-send").click();
    await second.getByTestId("caption-agent").filter({ hasText: "Buy milk" }).waitFor(WAIT);
    await page.getByTestId("screen-primary").click();
    await page.locator('[data-link="open"]').waitFor(WAIT);
    // What was said over there is shown here, and nothing twice.
    await page.getByTestId("caption-you").filter({ hasText: "buy milk" }).waitFor(WAIT);
    if ((await page.getByTestId("caption-agent").count()) !== 2)
      throw new Error("an answer is missing, or there twice");
    await second.getByTestId("screen-over-taken").waitFor(WAIT);
    await second.close();
  },

  async "a full server counts down and lets in"(page, mock) {
    mock.world.inject({ full: true });
    await open(page, mock);
    await page.getByTestId("consent-type").click();
    await page.getByTestId("screen-full").waitFor(WAIT);
    await axeInBoth(page, "a full server");
    mock.world.inject({ full: false });
    await page.getByTestId("screen-primary").click();
    await page.locator('[data-link="open"]').waitFor(WAIT);
  },

  async "each close code has its own words"(page, mock) {
    for (const [code, screen] of [
      [1000, "ended"],
      [4000, "protocol"],
      [4002, "gone"],
      [4004, "protocol"],
      [4005, "idle"],
      [4006, "failed"],
    ]) {
      await start(page, mock, "type");
      mock.world.inject({ close: code });
      await page.getByTestId(`screen-over-${screen}`).waitFor(WAIT);
      await axeInBoth(page, screen);
    }
  },

  async "a slow connection and a restart come back by themselves"(page, mock) {
    await start(page, mock, "type");
    for (const code of [4003, 1001]) {
      mock.world.inject({ close: code });
      await page.waitForFunction(() => window.__voiceAgentTest.state().link.name !== "open", null, WAIT);
      await page.locator('[data-link="open"]').waitFor(WAIT);
    }
  },

  async "a planned stop shows nothing, and what is said meanwhile arrives"(page, mock) {
    await start(page, mock, "talk");
    await played(mock, 2_000);
    const links = page.evaluate(() => {
      const root = document.querySelector("[data-link]");
      const seen = [];
      const look = () => {
        seen.push(root.dataset.link);
        for (const one of document.querySelectorAll(".banner, [data-testid^=screen-]")) seen.push(one.dataset.testid);
      };
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
      return new Promise((resolve) => setTimeout(() => resolve([...new Set(seen)]), 2_500));
    });
    const [before] = mock.world.live;
    const heard = mock.world.counts.frames;
    mock.world.inject({ move_ms: 1_000 });
    await eventually("the next leg", () => mock.world.live.size === 1 && !mock.world.live.has(before));
    // A second's frames at once, and then as they are spoken.
    await eventually("what was said meanwhile", () => mock.world.counts.frames >= heard + 50);
    await frames(mock, 5);
    const shown = (await links).filter((state) => state !== "open");
    if (shown.length > 0) throw new Error(`the page showed ${shown}`);
    if ((await page.getByTestId("caption-agent").count()) !== 1) throw new Error("it was greeted again");
  },

  async "without WebSockets typing goes on by HTTP"(page, mock) {
    mock.world.inject({ refuse_socket: true });
    await open(page, mock);
    await page.getByTestId("consent-type").click();
    await page.getByTestId("banner-text-only").waitFor(WAIT);
    await axeInBoth(page, "text only");
    await page.getByTestId("text-input").fill("Add a task to buy milk");
    await page.getByTestId("text-send").click();
    await page.getByTestId("task-title").filter({ hasText: "Buy milk" }).waitFor(WAIT);
    await page.getByTestId("caption-agent").filter({ hasText: "Buy milk" }).waitFor(WAIT);
  },

  async "a reload goes on with the same conversation"(page, mock) {
    await start(page, mock, "type");
    await page.getByTestId("text-input").fill("Add a task to buy milk");
    await page.getByTestId("text-send").click();
    await page.getByTestId("caption-agent").filter({ hasText: "Buy milk" }).waitFor(WAIT);
    await page.reload();
    await page.getByTestId("caption-you").filter({ hasText: "buy milk" }).waitFor(WAIT);
    await page.getByTestId("task-title").filter({ hasText: "Buy milk" }).waitFor(WAIT);
  },

  async "tasks are added, edited, completed and deleted by hand, and each is undone"(page, mock) {
    await start(page, mock, "type");
    const open = page.getByTestId("task-list").getByTestId("task");
    await page.getByTestId("task-add-input").fill("Water the plants");
    await page.keyboard.press("Enter");
    await open.filter({ hasText: "Water the plants" }).waitFor(WAIT);
    await page.getByTestId("undo").click();
    await page.getByTestId("tasks-empty").waitFor(WAIT);
    await page.getByTestId("task-add-input").fill("Water the plants");
    await page.keyboard.press("Enter");
    await open.filter({ hasText: "Water the plants" }).waitFor(WAIT);
    await open.first().getByTestId("task-edit").click();
    await page.getByTestId("edit-title").fill("Water all plants");
    await page.getByTestId("edit-due").fill("2030-05-01");
    await page.getByTestId("edit-time").fill("09:30");
    await page.getByTestId("edit-priority").selectOption("high");
    await page.getByTestId("edit-save").click();
    await open
      .filter({ hasText: "Water all plants" })
      .getByTestId("task-due")
      .filter({ hasText: "9:30" })
      .waitFor(WAIT);
    await page.getByTestId("undo").click();
    await open.filter({ hasText: "Water the plants" }).waitFor(WAIT);
    await open.first().getByTestId("task-toggle").click();
    await page.getByTestId("task-count").filter({ hasText: "0 open" }).waitFor(WAIT);
    await page.getByTestId("undo").click();
    await page.getByTestId("task-count").filter({ hasText: "1 open" }).waitFor(WAIT);
    await open.first().getByTestId("task-delete").click();
    await page.getByTestId("tasks-empty").waitFor(WAIT);
    await page.getByTestId("undo").click();
    await open.filter({ hasText: "Water the plants" }).waitFor(WAIT);
  },

  async "a task is edited and saved in sight, with the timing open in a low window"(page, mock) {
    await page.setViewportSize({ width: 1280, height: 800 });
    await start(page, mock, "type");
    const [session] = mock.world.sessions.values();
    for (const title of ["One", "Two", "Three", "Four", "Five", "Six"])
      mock.world.addTask(session.userId, { title, due: "2030-12-01T09:30" });
    for (const said of ["What is on my list?", "And again?"]) {
      await page.getByTestId("text-input").fill(said);
      await page.keyboard.press("Enter");
    }
    await page
      .getByTestId("turn")
      .nth(2)
      .waitFor({ ...WAIT, state: "attached" });
    await page.locator('[data-testid="timeline"] > summary').click();
    for (const edited of [page.getByTestId("task-edit").first(), page.getByTestId("task-edit").last()]) {
      await edited.click();
      // Playwright would scroll it into sight by itself: the eye does not.
      const seen = await page.getByTestId("edit-save").evaluate((save) => {
        const { x, y, width, height } = save.getBoundingClientRect();
        return document.elementFromPoint(x + width / 2, y + height - 2) === save;
      });
      if (!seen) throw new Error("Save is out of sight");
      for (const field of ["edit-title", "edit-due", "edit-time", "edit-priority"]) {
        const whole = await page.getByTestId(field).evaluate((one) => {
          const { x, y, width, height } = one.getBoundingClientRect();
          const isThere = (at) => document.elementFromPoint(x + width / 2, at) === one;
          return isThere(y + 2) && isThere(y + height - 2);
        });
        if (!whole) throw new Error(`${field} is not in sight as a whole`);
      }
      const cut = await page.getByTestId("edit-due").evaluate((field) => field.scrollWidth > field.clientWidth);
      if (cut) throw new Error("the due date is cut off");
      await page.keyboard.press("Escape");
    }
  },

  async "what comes back by undo stands where the server has it, and in sight"(page, mock) {
    await page.setViewportSize({ width: 1280, height: 800 });
    await start(page, mock, "type");
    const [session] = mock.world.sessions.values();
    for (let i = 0; i < 20; i++) mock.world.addTask(session.userId, { title: `Task ${i}` });
    const titles = page.getByTestId("task-list").getByTestId("task-title");
    await titles.nth(19).waitFor({ ...WAIT, state: "attached" });
    await page.getByTestId("task-delete").first().click();
    await page.getByTestId("undo").click();
    await page.getByTestId("undo-bar").waitFor({ ...WAIT, state: "detached" });
    await titles
      .first()
      .filter({ hasText: /^Task 0$/ })
      .waitFor(WAIT);
    const hidden = await titles.first().evaluate((title) => {
      const { x, y } = title.getBoundingClientRect();
      return document.elementFromPoint(x + 2, y + 2) !== title;
    });
    if (hidden) throw new Error("it came back out of sight");
    const kept = mock.world.tasksOf(session.userId).map(({ title }) => title);
    if ((await titles.allInnerTexts()).join() !== kept.join()) throw new Error("the page has another order");
  },

  async "what is edited by hand outlives a change by voice, and takes none of it back"(page, mock) {
    await start(page, mock, "type");
    const [session] = mock.world.sessions.values();
    const task = mock.world.addTask(session.userId, { title: "Book the train", due: "2030-12-01" });
    await page.getByTestId("task-edit").click();
    await page.getByTestId("edit-title").fill("Book the early train");
    mock.world.patchTask(session.userId, task.id, { due: "2030-12-04", priority: "high" });
    await page.waitForFunction(
      () => document.querySelector('[data-testid="edit-due"]').value === "2030-12-04",
      null,
      WAIT,
    );
    mock.world.patchTask(session.userId, task.id, { status: "done" });
    await page.getByTestId("task-count").filter({ hasText: "0 open" }).waitFor(WAIT);
    await page.getByTestId("edit-save").click();
    await page.getByTestId("task-editor").waitFor({ ...WAIT, state: "detached" });
    const [saved] = mock.world.tasksOf(session.userId);
    const is = [saved.title, saved.due, saved.priority, saved.status].join(" | ");
    if (is !== "Book the early train | 2030-12-04 | high | done") throw new Error(is);
    const focused = await page.evaluate(() => document.activeElement !== document.body);
    if (!focused) throw new Error("the focus is lost");
  },

  async "on a phone the list hides no trouble and no end"(page, mock) {
    await page.setViewportSize({ width: 390, height: 844 });
    await start(page, mock, "type");
    await page.getByTestId("view-tasks").click();
    await page.route("**/api/tasks", (route) => route.abort());
    await page.getByTestId("task-add-input").fill("Water the plants");
    await page.keyboard.press("Enter");
    await page.getByTestId("banner-notice").waitFor(WAIT);
    await axeInBoth(page, "a notice above the list");
    await page.unroute("**/api/tasks");
    mock.world.inject({ close: 4005 });
    await page.getByTestId("screen-over-idle").waitFor(WAIT);
  },

  async "each reason that the server gives has its own words"(page, mock) {
    for (const [reason, screen] of [
      ["ceiling", "ceiling"],
      ["goodbye", "goodbye"],
      ["operator", "operator"],
      ["too_long", "too_long"],
      ["hung_up", "ended"],
    ]) {
      await start(page, mock, "type");
      for (const call of mock.world.live) call.send({ type: "ended", outcome: "completed", reason });
      await page.getByTestId(`screen-over-${screen}`).waitFor(WAIT);
      await axeInBoth(page, reason);
    }
  },

  async "recording shows, stops at once, and begins again"(page, mock) {
    mock.world.inject({ records: true });
    await start(page, mock, "record");
    const sign = page.getByTestId("recording");
    await page.locator('[data-testid="recording"][data-recording="true"]').waitFor(WAIT);
    await sign.click();
    await page.locator('[data-testid="recording"][data-recording="false"]').waitFor(WAIT);
    await sign.click();
    await page.locator('[data-testid="recording"][data-recording="true"]').waitFor(WAIT);
  },

  async "a server that keeps no recordings is not said to record"(page, mock) {
    await open(page, mock);
    await page.getByTestId("consent-record").filter({ hasText: "nothing is recorded" }).waitFor(WAIT);
    await page.getByTestId("consent-record").click();
    const sign = page.getByTestId("recording");
    await sign.filter({ hasText: "Not recorded" }).waitFor(WAIT);
    await axeInBoth(page, "recording allowed, and none kept");
    await sign.click();
    await told(mock, { type: "consent", recording: false });
    await page.getByTestId("not-recorded").waitFor(WAIT);
    await axeInBoth(page, "nothing is kept");
  },

  async "who only types keeps every answer, and nothing is spoken"(page, mock) {
    await start(page, mock, "type");
    for (const title of ["milk", "bread", "salt", "eggs", "tea"]) {
      await page.getByTestId("text-input").fill(`Add a task to buy ${title}`);
      await page.keyboard.press("Enter");
      await page.getByTestId("caption-agent").filter({ hasText: title }).waitFor(WAIT);
    }
    if ((await page.getByTestId("caption-agent").count()) !== 6) throw new Error("an answer is gone");
    if ((await page.getByTestId("unheard").count()) !== 0) throw new Error("an answer was cut short");
    if (mock.world.counts.playout.length !== 0) throw new Error("something was spoken to who reads");
    await page.locator('[data-testid="timeline"] > summary').click();
    await page.getByTestId("turn").first().filter({ hasText: "in writing" }).waitFor(WAIT);
    await axeInBoth(page, "answers in writing");
  },

  async "who turns the microphone on hears the next answer"(page, mock) {
    await start(page, mock, "type");
    await page.getByTestId("microphone-on").click();
    await page.locator('[data-link="open"]').waitFor(WAIT);
    await eventually("a connection with voice", () => [...mock.world.live].some(({ spoken }) => spoken));
    await page.getByTestId("text-input").fill("What is on my list?");
    await page.keyboard.press("Enter");
    await played(mock, 200);
    if (mock.world.live.size !== 1) throw new Error("an old connection is left");
  },

  async "a tab that comes back untouched says that its sound waits, and can be ended"(page, mock) {
    await start(page, mock, "talk");
    const kept = await page.evaluate(() => ({ ...sessionStorage }));
    const [before] = mock.world.live;
    const again = await page.context().newPage();
    await page.close();
    await again.addInitScript((entries) => Object.assign(sessionStorage, entries), kept);
    await again.goto(`${mock.url}/?test=1`);
    // Whatever asks the page, a wait for an element too, counts as a touch: first its sound must have been refused.
    await eventually("the tab that came back", () => [...mock.world.live].some((leg) => leg !== before));
    await again.getByTestId("banner-sound").waitFor(WAIT);
    // Not by a click of the pointer, which would let the sound through.
    await again.getByTestId("end").evaluate((button) => button.click());
    await again.getByTestId("screen-over-ended").waitFor(WAIT);
  },

  async "a muted microphone sends nothing"(page, mock) {
    await start(page, mock, "talk");
    await frames(mock, 5);
    await page.getByTestId("mute").click();
    await told(mock, { type: "mute", muted: true });
    await nothingComes(page, mock);
    await axeInBoth(page, "muted");
    await page.getByTestId("mute").click();
    await frames(mock, 5);
  },

  async "an interruption by typing leaves what was heard"(page, mock) {
    // Long enough to be interrupted by whoever is slow.
    mock.world.inject({ greeting: "Hello! How can I help with your tasks today? ".repeat(4).trim() });
    await start(page, mock, "talk");
    await page.getByTestId("text-input").fill("What is on my list of tasks today?");
    await page.waitForFunction(() => window.__voiceAgentTest.state().agentState === "speaking", null, WAIT);
    await played(mock, 500);
    await page.getByTestId("text-send").click();
    await page.getByTestId("unheard").waitFor(WAIT);
    // The answer may be heard by now.
    const [greeting] = mock.world.counts.playout[0];
    const cleared = mock.world.counts.playout.filter(([speech]) => speech === greeting).at(-1);
    if (cleared[1] < 500 || cleared[1] > 9_500) throw new Error(`played ${cleared[1]} ms of an interrupted greeting`);
    await page.reload();
    await page.getByTestId("unheard").waitFor(WAIT);
  },

  async "the figure moves with what is really heard, and stands still for who wants no motion"(page, mock) {
    const level = () =>
      Number(getComputedStyle(document.querySelector('[data-testid="figure"]')).getPropertyValue("--level"));
    const speaks = () => window.__voiceAgentTest.state().agentState === "speaking";
    mock.world.inject({ greeting: "Hello! How can I help with your tasks today? ".repeat(4).trim() });
    await start(page, mock, "talk");
    await page.waitForFunction(speaks, null, WAIT);
    await eventually("the figure moves", async () => (await page.evaluate(level)) > 0.1);
    await page.emulateMedia({ reducedMotion: "reduce" });
    await eventually("the figure stands still", async () => (await page.evaluate(level)) < 0.01);
    if (!(await page.evaluate(speaks))) throw new Error("the agent fell silent before it was seen");
    const moving = await page.evaluate(
      () => document.getAnimations().filter(({ playState }) => playState === "running").length,
    );
    if (moving > 0) throw new Error(`${moving} animations run`);
    await axeInBoth(page, "reduced motion");
  },

  async "a spoken answer has the way and the start of the sound in its time, and a typed one says so"(page, mock) {
    await start(page, mock, "talk");
    await page.locator('[data-testid="timeline"] > summary').click();
    await page.getByTestId("turn").first().waitFor(WAIT);
    await page.waitForFunction(() => window.__voiceAgentTest.state().rttMs !== null, null, WAIT);
    const spoken = () => window.__voiceAgentTest.state().turns.find(({ latency_ms: ms }) => ms !== null);
    const { stages, latency_ms: ms } = await eventually("a spoken turn", () => page.evaluate(spoken));
    if (stages.playout <= 0 || stages.playout > 2_000) throw new Error(`the sound began after ${stages.playout} ms`);
    const sum = Object.values(stages).reduce((all, one) => all + one, 0);
    if (sum !== ms) throw new Error(`${sum} ms of ${ms}`);
    await page.getByTestId("text-input").fill("What is on my list?");
    await page.getByTestId("text-send").click();
    await page.locator(".turn-written .turn-total").filter({ hasText: "typed" }).waitFor(WAIT);
  },

  async "end says so and starts again at the consent"(page, mock) {
    await start(page, mock, "type");
    await page.getByTestId("end").click();
    await page.getByTestId("screen-over-ended").waitFor(WAIT);
    await page.getByTestId("screen-primary").click();
    await page.getByTestId("consent-dialog").waitFor(WAIT);
  },
};
