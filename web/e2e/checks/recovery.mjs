// Moments at which something goes wrong, or somebody is quicker than the server: what is said of it is true, and nothing is lost.

import { eventually } from "./mock.mjs";
import { axeInBoth, open, start, until, WAIT } from "./shared.mjs";

/** A recorded call, its connection gone, and its consent withdrawn since. */
async function withdraw(page, mock) {
  mock.world.inject({ records: true });
  await start(page, mock, "record");
  await page.locator('[data-testid="recording"][data-recording="true"]').waitFor(WAIT);
  mock.world.faults.refuse_socket = true;
  await page.route("**/api/**", (route) => route.abort());
  mock.world.inject({ drop: true });
  await page.waitForFunction(() => window.__voiceAgentTest.state().link.name === "waiting", null, WAIT);
  await page.getByTestId("recording").click();
  await page.locator('[data-testid="recording"][data-recording="false"]').waitFor(WAIT);
}

const recordings = (mock) => [...mock.world.sessions.values()].map(({ recording }) => recording).join();

export const recovery = {
  async "a consent that is withdrawn without a connection stays withdrawn, over a reload too"(page, mock) {
    await withdraw(page, mock);
    await page.reload();
    await page.getByTestId("screen-refused").waitFor(WAIT);
    let told;
    await page.unroute("**/api/**");
    await page.route("**/api/sessions", (route) => {
      told ??= route.request().postDataJSON();
      return route.continue();
    });
    mock.world.faults.refuse_socket = false;
    await page.locator('[data-phase="live"][data-link="open"]').waitFor(WAIT);
    if (told.recording_consent !== false) throw new Error(`it came back with ${JSON.stringify(told)}`);
    await page.locator('[data-testid="recording"][data-recording="false"]').waitFor(WAIT);
    if (recordings(mock) !== "false") throw new Error(`recorded: ${recordings(mock)}`);
    // What is agreed to afterwards holds, and a reload repeats nothing.
    await page.getByTestId("recording").click();
    await page.locator('[data-testid="recording"][data-recording="true"]').waitFor(WAIT);
    await page.reload();
    await page.locator('[data-testid="recording"][data-recording="true"]').waitFor(WAIT);
  },

  async "a consent is withdrawn where only HTTP gets through, and is not given while nobody can be told"(page, mock) {
    await withdraw(page, mock);
    await page.getByTestId("recording").click();
    await page.getByTestId("banner-notice").filter({ hasText: "can be switched on" }).waitFor(WAIT);
    await page.unroute("**/api/**");
    await page.locator('[data-link="text_only"]').waitFor({ timeout: 20_000 });
    await eventually("the withdrawal", () => recordings(mock) === "false");
    mock.world.faults.refuse_socket = false;
    await page.getByTestId("banner-text-only").getByRole("button").click();
    await page.locator('[data-link="open"]').waitFor(WAIT);
    await page.locator('[data-testid="recording"][data-recording="false"]').waitFor(WAIT);
    if (recordings(mock) !== "false") throw new Error("it was recorded after all");
  },

  async "Escape leaves the consent where it is, however often it is pressed"(page, mock) {
    await open(page, mock);
    const shown = () => page.evaluate(() => document.querySelector("dialog").matches(":modal"));
    for (let i = 0; i < 4; i++) {
      await page.keyboard.press("Escape");
      await eventually("the dialog", shown);
    }
    const focused = await page.evaluate(() => document.activeElement?.id);
    if (focused !== "consent-title") throw new Error(`the focus is on ${focused}`);
    await page.getByTestId("consent-type").click();
    await page.locator('[data-phase="live"][data-link="open"]').waitFor(WAIT);
  },

  async "who starts again right after the end stays in the new conversation"(page, mock) {
    await start(page, mock, "type");
    await page.getByTestId("end").click();
    await page.getByTestId("screen-primary").click();
    await page.getByTestId("consent-type").click();
    await page.locator('[data-phase="live"][data-link="open"]').waitFor(WAIT);
    // So long the first goodbye may take, and then some.
    await page.waitForTimeout(2_500);
    if ((await page.getByTestId("page").getAttribute("data-phase")) !== "live") throw new Error("it was ended");
    if (mock.world.live.size !== 1) throw new Error("its connection is gone");
    if ((await page.evaluate(() => sessionStorage.getItem("voice-agent.session"))) === null)
      throw new Error("a reload would not find it");
  },

  async "a server that does not answer keeps nobody from hanging up"(page, mock) {
    await start(page, mock, "talk");
    mock.world.faults.refuse_socket = true;
    let ended = false;
    await page.route("**/api/**", (route) => {
      ended ||= route.request().method() === "DELETE";
      // And nothing more: no answer ever comes.
    });
    mock.world.inject({ drop: true });
    await page.waitForFunction(() => window.__voiceAgentTest.state().link.name === "waiting", null, WAIT);
    await page.getByTestId("end").click();
    await page.getByTestId("screen-over-ended").waitFor({ timeout: 3_000 });
    await until(page, { microphone: "off" });
    await eventually("the server is asked to end it", () => ended);
  },

  async "who gives a lost call up for a new one leaves no line taken"(page, mock) {
    await start(page, mock, "type");
    mock.world.faults.refuse_socket = true;
    await page.route("**/api/**", (route) => route.abort());
    mock.world.inject({ drop: true });
    await page.getByTestId("reconnecting-primary").waitFor(WAIT);
    await page.unroute("**/api/**");
    await page.getByRole("button", { name: "Start again" }).click();
    await page.getByTestId("consent-dialog").waitFor(WAIT);
    await eventually("the old session's end", () => mock.world.sessions.size === 0);
  },

  async "who waits for a line shares no screen"(page, mock) {
    mock.world.inject({ screens: true });
    const shared = await page.context().newPage();
    await shared.setContent("<title>To be shared</title><h1>Water the plants</h1>");
    await page.bringToFront();
    await start(page, mock, "type");
    await page.evaluate(() => {
      const { mediaDevices } = navigator;
      const ask = mediaDevices.getDisplayMedia.bind(mediaDevices);
      mediaDevices.getDisplayMedia = async (options) => {
        window.__shared = await ask(options);
        return window.__shared;
      };
    });
    await page.getByTestId("share-screen").click();
    await page.getByTestId("screen-sign").waitFor(WAIT);
    mock.world.inject({ full: true });
    // A new process: the session has to be opened anew, and is not let in.
    await mock.restart();
    await page.getByTestId("screen-full").waitFor({ timeout: 20_000 });
    const going = () => window.__shared.getTracks().some(({ readyState }) => readyState === "live");
    if (await page.evaluate(going)) throw new Error("the screen is shared still");
    await until(page, { screen: "off" });
  },

  async "several changes by hand are taken back by keyboard, and none is lost when the server fails"(page, mock) {
    await start(page, mock, "type");
    const [session] = mock.world.sessions.values();
    for (const title of ["Milk", "Bread", "Salt"]) mock.world.addTask(session.userId, { title });
    const rows = page.getByTestId("task-list").getByTestId("task");
    await rows.nth(2).waitFor(WAIT);
    for (const title of ["Milk", "Bread"]) {
      await page.getByRole("button", { name: `Delete: ${title}` }).click();
      await rows.filter({ hasText: title }).waitFor({ ...WAIT, state: "detached" });
    }
    await page.getByTestId("undo-bar").filter({ hasText: "1 earlier" }).waitFor(WAIT);
    await axeInBoth(page, "two changes to take back");
    await page.getByTestId("undo").focus();
    await page.route("**/restore", (route) => route.fulfill({ status: 503, json: { code: "store" } }));
    await page.keyboard.press("Enter");
    await page.getByTestId("banner-notice").filter({ hasText: "could not be taken back" }).waitFor(WAIT);
    await page.unroute("**/restore");
    await page.keyboard.press("Enter");
    await rows.filter({ hasText: "Bread" }).waitFor(WAIT);
    await page.keyboard.press("Enter");
    await rows.filter({ hasText: "Milk" }).waitFor(WAIT);
    await page.getByTestId("undo-bar").waitFor({ ...WAIT, state: "detached" });
    const focused = await page.evaluate(() => document.activeElement?.id);
    if (focused !== "tasks-title") throw new Error(`the focus is on ${focused}`);
  },

  async "an editor has the focus where selecting its words does not bring it"(page, mock) {
    // As Safari has it.
    await page.addInitScript(() => {
      HTMLInputElement.prototype.select = function () {
        this.setSelectionRange(0, this.value.length);
      };
    });
    await start(page, mock, "type");
    mock.world.addTask([...mock.world.sessions.values()][0].userId, { title: "Book the train" });
    await page.getByTestId("task-edit").focus();
    await page.keyboard.press("Enter");
    await page.getByTestId("task-editor").waitFor(WAIT);
    await page.keyboard.type("Book the early train");
    await page.keyboard.press("Enter");
    await page.getByTestId("task-title").filter({ hasText: "Book the early train" }).waitFor(WAIT);
    await page.keyboard.press("Enter");
    await page.keyboard.press("Escape");
    await page.getByTestId("task-editor").waitFor({ ...WAIT, state: "detached" });
  },

  async "an editor goes with its task, says so, keeps what was typed, and does not come back by itself"(page, mock) {
    await start(page, mock, "type");
    const [session] = mock.world.sessions.values();
    const [train, milk] = ["Book the train", "Buy milk"].map((title) => mock.world.addTask(session.userId, { title }));
    await page.getByRole("button", { name: "Edit: Book the train" }).click();
    await page.getByTestId("edit-title").fill("Book the early train");
    mock.world.deleteTask(session.userId, train.id);
    await page.getByTestId("task-editor").waitFor({ ...WAIT, state: "detached" });
    await page.getByTestId("banner-notice").filter({ hasText: "was deleted while you edited it" }).waitFor(WAIT);
    if ((await page.getByTestId("task-add-input").inputValue()) !== "Book the early train")
      throw new Error("what was typed is gone");
    const focused = await page.evaluate(() => document.activeElement?.id);
    if (focused !== "tasks-title") throw new Error(`the focus is on ${focused}`);
    await axeInBoth(page, "a task that is gone");
    mock.world.restoreTask(session.userId, train.id);
    await page.getByTestId("task-title").filter({ hasText: "Book the train" }).waitFor(WAIT);
    if ((await page.getByTestId("task-editor").count()) > 0) throw new Error("the editor opened by itself");
    // Whoever is at work elsewhere keeps the focus there, and the end closes an editor too.
    await page.getByRole("button", { name: "Edit: Buy milk" }).click();
    await page.getByTestId("text-input").focus();
    mock.world.deleteTask(session.userId, milk.id);
    await page.getByTestId("task-editor").waitFor({ ...WAIT, state: "detached" });
    if (!(await page.getByTestId("text-input").evaluate((box) => box === document.activeElement)))
      throw new Error("the focus was taken away");
    await page.getByRole("button", { name: "Edit: Book the train" }).click();
    mock.world.inject({ close: 4005 });
    await page.getByTestId("screen-over-idle").waitFor(WAIT);
    await page.getByTestId("task-editor").waitFor({ ...WAIT, state: "detached" });
  },

  async "a message whose answer does not come is said to have perhaps arrived, and the list is read"(page, mock) {
    mock.world.inject({ refuse_socket: true });
    await open(page, mock);
    await page.getByTestId("consent-type").click();
    await page.getByTestId("banner-text-only").waitFor(WAIT);
    await page.route("**/messages", async (route) => {
      await route.fetch();
      await route.fulfill({ status: 504, json: { code: "timeout", detail: "It may still have had its effect." } });
    });
    await page.getByTestId("text-input").fill("Add a task to buy milk");
    await page.keyboard.press("Enter");
    await page.getByTestId("task-title").filter({ hasText: "Buy milk" }).waitFor(WAIT);
    await page.getByTestId("banner-notice").filter({ hasText: "may have arrived" }).waitFor(WAIT);
    await axeInBoth(page, "a message that may have arrived");
    mock.world.inject({ refuse_socket: false });
    await page.getByTestId("banner-text-only").getByRole("button").click();
    await page.locator('[data-link="open"]').waitFor(WAIT);
    // A connection does not tell whether it did.
    await page.getByTestId("banner-notice").filter({ hasText: "may have arrived" }).waitFor(WAIT);
    if ((await page.getByTestId("text-input").inputValue()) !== "Add a task to buy milk") throw new Error("it is gone");
  },
};
