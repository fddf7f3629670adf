// The microphone: which, whether, and while what is held.

import { eventually, frames, nothingComes, tell, told } from "./mock.mjs";
import { axeInBoth, open, start, until, WAIT } from "./shared.mjs";

async function pushMode(page, mock) {
  await start(page, mock, "talk");
  await page.getByTestId("audio-menu-open").click();
  await page.getByTestId("talk-mode-push").click();
  await page.keyboard.press("Escape");
  await page.getByTestId("push-to-talk").waitFor(WAIT);
  await told(mock, { type: "mute", muted: true });
}

const pieces = (mock, look) =>
  mock.world.counts.events.filter((event) => event.type === "picture" && event.look_id === look);

const held = (page, is) => page.locator(`[data-testid="push-to-talk"][aria-pressed="${is}"]`).waitFor(WAIT);

async function trouble(page, mock, error, name) {
  await open(page, mock);
  await page.evaluate((fault) => {
    const media = navigator.mediaDevices;
    window.__real = media.getUserMedia.bind(media);
    media.getUserMedia = () => Promise.reject(new DOMException("", fault));
  }, error);
  await page.getByTestId("consent-talk").click();
  await page.locator(`[data-trouble="${name}"]`).waitFor(WAIT);
  await page.locator('[data-link="open"]').waitFor(WAIT);
}

export const devices = {
  async "while the browser asks for the microphone the page says so, without fault"(page, mock) {
    await open(page, mock);
    await page.evaluate(() => {
      navigator.mediaDevices.getUserMedia = () => new Promise(() => undefined);
    });
    await page.getByTestId("consent-talk").click();
    await until(page, { microphone: "asking" });
    await axeInBoth(page, "asking for the microphone");
  },

  async "the screen is shared until it is stopped, and a look is answered, shown and without fault"(page, mock) {
    mock.world.inject({ screens: true });
    const shown = await page.context().newPage();
    await shown.setContent("<title>To be shared</title><h1>Water the plants</h1>");
    await page.bringToFront();
    await start(page, mock, "type");
    await page.getByTestId("share-screen").click();
    await page.getByTestId("screen-sign").filter({ hasText: "Screen shared" }).waitFor(WAIT);
    await told(mock, { type: "screen", sharing: true });
    await axeInBoth(page, "the screen is shared");
    tell(mock, { type: "look", look_id: 7 });
    await page.locator('[data-testid="screen-sign"][data-looked="true"]').waitFor(WAIT);
    await eventually("the whole picture", () => pieces(mock, 7).at(-1)?.last === true);
    const picture = Buffer.concat(pieces(mock, 7).map(({ data }) => Buffer.from(data, "base64")));
    if (picture.subarray(8, 12).toString() !== "WEBP") throw new Error("it is no WebP file");
    await page.getByTestId("screen-sign").click();
    await page.getByTestId("screen-sign").waitFor({ ...WAIT, state: "detached" });
    await told(mock, { type: "screen", sharing: false });
    tell(mock, { type: "look", look_id: 8 });
    await eventually("no picture", () => pieces(mock, 8).at(-1)?.last === true);
    if (pieces(mock, 8).some(({ data }) => data !== "")) throw new Error("a picture after the share");
    await shown.close();
  },

  async "who refuses to share is asked again, and sees no fault"(page, mock) {
    mock.world.inject({ screens: true });
    await start(page, mock, "type");
    await page.evaluate(() => {
      navigator.mediaDevices.getDisplayMedia = () => Promise.reject(new DOMException("", "NotAllowedError"));
    });
    await page.getByTestId("share-screen").click();
    await page.locator('[data-testid="share-screen"]:not([disabled])').waitFor(WAIT);
    if ((await page.getByTestId("banner-notice").count()) !== 0) throw new Error("a refusal is no fault");
  },

  async "hold to talk: the space bar opens the microphone, and letting go closes it"(page, mock) {
    await pushMode(page, mock);
    await page.locator("#talk").focus();
    await page.keyboard.down("Space");
    await held(page, true);
    await told(mock, { type: "mute", muted: false });
    await frames(mock, 5);
    await page.keyboard.up("Space");
    await held(page, false);
    await told(mock, { type: "mute", muted: true });
    await nothingComes(page, mock);
    await axeInBoth(page, "hold to talk");
  },

  async "hold to talk: the button works by mouse and by key, and a lost window lets go"(page, mock) {
    await pushMode(page, mock);
    const button = page.getByTestId("push-to-talk");
    if (!(await button.evaluate((one) => one === document.activeElement)))
      throw new Error("the focus is not on the button");
    await page.keyboard.down("Space");
    await held(page, true);
    await page.keyboard.up("Space");
    await held(page, false);
    const { x, y, width, height } = await button.boundingBox();
    await page.mouse.move(x + width / 2, y + height / 2);
    await page.mouse.down();
    await held(page, true);
    await page.mouse.move(x, y - 200);
    await page.mouse.up();
    await held(page, false);
    await page.mouse.move(x + width / 2, y + height / 2);
    await page.mouse.down();
    await held(page, true);
    await page.evaluate(() => window.dispatchEvent(new Event("blur")));
    await held(page, false);
    await told(mock, { type: "mute", muted: true });
    await page.mouse.up();
  },

  async "hold to talk: a space in the text box is a space, and on a button it presses"(page, mock) {
    mock.world.inject({ records: true });
    await pushMode(page, mock);
    const before = mock.world.counts.events.filter(({ type }) => type === "mute").length;
    await page.getByTestId("text-input").focus();
    await page.keyboard.type("a b");
    if ((await page.getByTestId("text-input").inputValue()) !== "a b") throw new Error("the space was taken");
    await page.getByTestId("recording").focus();
    await page.keyboard.press("Space");
    await page.locator('[data-testid="recording"][data-recording="true"]').waitFor(WAIT);
    const after = mock.world.counts.events.filter(({ type }) => type === "mute").length;
    if (after !== before) throw new Error("the microphone was opened");
  },

  async "who is muted says something by holding the space bar, and is muted again"(page, mock) {
    await start(page, mock, "talk");
    await frames(mock, 5);
    await page.getByTestId("mute").click();
    await told(mock, { type: "mute", muted: true });
    await page.keyboard.down("Space");
    await told(mock, { type: "mute", muted: false });
    await frames(mock, 5);
    await page.keyboard.up("Space");
    await told(mock, { type: "mute", muted: true });
    await until(page, { muted: true, held: false });
    await nothingComes(page, mock);
  },

  async "hold to talk and the microphone are remembered, and a muted one stays muted over a reload"(page, mock) {
    await pushMode(page, mock);
    await page.reload();
    await page.getByTestId("push-to-talk").waitFor(WAIT);
    await page.getByTestId("audio-menu-open").click();
    await page.getByTestId("talk-mode-open").click();
    await page.getByTestId("microphone-choice").nth(1).click();
    await until(page, { microphone: "on" }, { microphoneId: "" });
    await page.keyboard.press("Escape");
    const back = await page.getByTestId("audio-menu-open").evaluate((one) => one === document.activeElement);
    if (!back) throw new Error("the focus did not come back");
    await page.getByTestId("mute").click();
    await page.reload();
    await until(page, { microphone: "on", muted: true }, { microphoneId: "" });
    await page.locator('[data-link="open"]').waitFor(WAIT);
    await told(mock, { type: "mute", muted: true });
  },

  async "the microphone looks open only while somebody listens"(page, mock) {
    const looks = (heard) => page.locator(`[data-testid="mute"][data-heard="${heard}"]`).waitFor(WAIT);
    await start(page, mock, "talk");
    await looks(true);
    await page.getByTestId("mute").click();
    await looks(false);
    await page.getByTestId("mute").click();
    await looks(true);
    mock.world.faults.refuse_socket = true;
    await page.route("**/api/**", (route) => route.abort());
    mock.world.inject({ drop: true });
    await page.locator('[data-link="waiting"]').waitFor(WAIT);
    await looks(false);
    await axeInBoth(page, "a microphone that nobody hears");
    mock.world.faults.refuse_socket = false;
    await page.unroute("**/api/**");
    await page.locator('[data-link="open"]').waitFor(WAIT);
    await looks(true);
    mock.world.inject({ fallback: true });
    await page.getByTestId("banner-fallback").waitFor(WAIT);
    await looks(false);
    await told(mock, { type: "mute", muted: true });
    await nothingComes(page, mock);
  },

  async "the menu of microphones names them, and has no serious fault"(page, mock) {
    await start(page, mock, "talk");
    await page.getByTestId("audio-menu-open").click();
    await page.getByTestId("microphone-choice").nth(1).waitFor(WAIT);
    await axeInBoth(page, "the microphones");
  },

  async "a remembered microphone that is not here gives way to the system's"(page, mock) {
    await open(page, mock);
    await page.evaluate(() =>
      localStorage.setItem("voice-agent.audio", JSON.stringify({ microphoneId: "gone", talkMode: "open" })),
    );
    await page.reload();
    await page.getByTestId("consent-talk").click();
    await until(page, { microphone: "on", microphoneId: "" });
    await page.getByTestId("banner-notice").waitFor(WAIT);
  },

  async "an unplugged microphone has its own words, tells the server, and another is a press away"(page, mock) {
    await start(page, mock, "talk");
    await frames(mock, 5);
    await page.evaluate(() => window.__voiceAgentTest.unplug());
    await page.locator('[data-trouble="lost"]').waitFor(WAIT);
    await told(mock, { type: "mute", muted: true });
    await axeInBoth(page, "an unplugged microphone");
    await page.getByTestId("microphone-primary").click();
    await until(page, { microphone: "on" });
    await frames(mock, 5);
  },

  async "a refused, a missing and a busy microphone have their own words"(page, mock) {
    await trouble(page, mock, "NotAllowedError", "denied");
    await axeInBoth(page, "a refused microphone");
    await page.evaluate(() => {
      navigator.mediaDevices.getUserMedia = window.__real;
    });
    await page.getByTestId("microphone-primary").click();
    await until(page, { microphone: "on" });
    await trouble(page, mock, "NotReadableError", "busy");
    await axeInBoth(page, "a busy microphone");
    await trouble(page, mock, "NotFoundError", "missing");
    await page.evaluate(() => {
      navigator.mediaDevices.getUserMedia = window.__real;
      navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
    });
    await page.getByTestId("microphone-primary").filter({ hasText: /^Use / }).click();
    await until(page, { microphone: "on" });
  },

  async "type instead lets the microphone go, and it can come back with its sign"(page, mock) {
    await trouble(page, mock, "NotAllowedError", "denied");
    await page.getByTestId("microphone-secondary").click();
    await page.getByTestId("text-only").waitFor(WAIT);
    await page.getByTestId("kept-note").waitFor(WAIT);
    const typing = await page.getByTestId("text-input").evaluate((one) => one === document.activeElement);
    if (!typing) throw new Error("the focus is not in the text box");
    await page.evaluate(() => {
      navigator.mediaDevices.getUserMedia = window.__real;
    });
    await page.getByTestId("microphone-on").click();
    await page.getByTestId("not-recorded").waitFor(WAIT);
    await eventually("frames", () => mock.world.counts.frames > 0);
  },
};
