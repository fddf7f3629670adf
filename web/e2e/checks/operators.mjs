// The operators' page.

import { AUDITOR, badNight, OPERATOR, PRIVACY, recordings } from "../../dev/mock-admin.mjs";
import { eventually } from "./mock.mjs";
import { axeInBoth, WAIT } from "./shared.mjs";

export async function signIn(page, mock, told = badNight()) {
  mock.world.admin = told;
  await page.goto(`${mock.url}/admin`);
  await page.getByTestId("admin-token").fill(OPERATOR);
  await page.keyboard.press("Enter");
  await page.getByTestId("headline").waitFor(WAIT);
}

export const operators = {
  async "operators: a wrong token is said to be wrong, and without ADMIN_TOKEN the page says what to set"(page, mock) {
    await page.goto(`${mock.url}/admin`);
    await axeInBoth(page, "the operators' sign-in");
    await page.getByTestId("admin-token").fill("anything");
    await page.getByTestId("admin-enter").click();
    await page.getByTestId("admin-refusal").filter({ hasText: "ADMIN_TOKEN set" }).waitFor(WAIT);
    mock.world.admin = badNight();
    await page.getByTestId("admin-token").fill("wrong");
    await page.getByTestId("admin-enter").click();
    await page.getByTestId("admin-refusal").filter({ hasText: "does not know this token" }).waitFor(WAIT);
    await axeInBoth(page, "a wrong token");
    await signIn(page, mock);
    if (page.url().includes(OPERATOR)) throw new Error("the token is in the address");
    await page.reload();
    await page.getByTestId("headline").waitFor(WAIT);
    await page.getByTestId("sign-out").click();
    await page.reload();
    await page.getByTestId("admin-token").waitFor(WAIT);
  },

  async "operators: who waits stands first, and the table sorts"(page, mock) {
    await signIn(page, mock);
    const first = page.getByTestId("call").first();
    await first.filter({ hasText: "for an answer" }).waitFor(WAIT);
    await page.getByTestId("headline").filter({ hasText: "callers have trouble" }).waitFor(WAIT);
    await page.getByTestId("reasons").filter({ hasText: "commits take longer" }).waitFor(WAIT);
    await axeInBoth(page, "the operators' page");
    // What lights up can be pressed, wherever in the row that is: the button lies over all of it.
    await page.getByTestId("call").nth(1).locator("td").last().click({ force: true });
    await page.locator('[data-testid="call"].row-watched').waitFor(WAIT);
    await page.getByTestId("sort-latency").click();
    await first.filter({ hasText: "1.31 s" }).waitFor(WAIT);
    await page.setViewportSize({ width: 390, height: 844 });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) throw new Error(`${over} px too wide for a phone`);
    await axeInBoth(page, "the operators' page on a phone");
  },

  async "operators: one call is watched with its words hidden until they are asked for"(page, mock) {
    await signIn(page, mock);
    await page.getByTestId("watch").first().focus();
    await page.keyboard.press("Enter");
    await page.locator('[data-type="transcript"]').filter({ hasText: "3 words, hidden" }).waitFor(WAIT);
    await page.locator('[data-type="turn"]').filter({ hasText: "the language model" }).waitFor(WAIT);
    await axeInBoth(page, "a watched call");
    await page.getByTestId("show-words").focus();
    await page.keyboard.press("Space");
    await page.locator('[data-type="transcript"]').filter({ hasText: "call my doctor" }).waitFor(WAIT);
    await eventually("the server was asked", () => mock.world.admin.asked.join() === "false,true");
    const saved = page.waitForEvent("download", WAIT);
    await page.getByTestId("download-log").click();
    if (!(await saved).suggestedFilename().endsWith(".jsonl")) throw new Error("the log has another name");
  },

  async "operators: words that are not to be shown any more are gone at once, whether the server answers or not"(
    page,
    mock,
  ) {
    await signIn(page, mock);
    await page.getByTestId("watch").first().click();
    await page.getByTestId("show-words").click();
    const said = page.locator('[data-type="transcript"]').filter({ hasText: "call my doctor" });
    await said.waitFor(WAIT);
    await page.route("**/events*", (route) => route.abort());
    await page.getByTestId("show-words").click();
    await said.waitFor({ ...WAIT, state: "detached" });
    await page.unroute("**/events*");
    await page.locator('[data-type="transcript"]').filter({ hasText: "3 words, hidden" }).waitFor(WAIT);
    // Why they are not shown is told.
    mock.world.admin.log_broken = true;
    await page.getByTestId("show-words").click();
    await page.getByTestId("watch-link").filter({ hasText: "access log cannot be written" }).waitFor(WAIT);
    await axeInBoth(page, "a call whose words cannot be shown");
    mock.world.admin.log_broken = false;
    await said.waitFor(WAIT);
    await page.getByTestId("watch-link").waitFor({ ...WAIT, state: "detached" });
  },

  async "operators: a call in which nothing happens is watched all the same"(page, mock) {
    await signIn(page, mock, { ...badNight(), happenings: [] });
    await page.getByTestId("watch").first().click();
    await page.locator('[data-testid="watch-panel"][data-link="open"]').waitFor(WAIT);
    await page.getByTestId("watch-panel").filter({ hasText: "Nothing has happened in this call yet" }).waitFor(WAIT);
    await axeInBoth(page, "a silent call");
  },

  async "operators: ending a call and draining are asked for twice"(page, mock) {
    await signIn(page, mock);
    await page.getByTestId("watch").first().click();
    await page.getByTestId("end-session").click();
    await page.getByTestId("confirm").waitFor(WAIT);
    await axeInBoth(page, "the question before the end of a call");
    await page.keyboard.press("Enter");
    await page.getByTestId("confirm").waitFor({ ...WAIT, state: "detached" });
    if (mock.world.admin.sessions.length !== 5) throw new Error("Return alone ended a call");
    for (const leave of [
      () => page.keyboard.press("Escape"),
      // As a browser does it that lets a page keep no dialog open.
      () => page.getByTestId("confirm").evaluate((dialog) => dialog.close()),
    ]) {
      await page.getByTestId("end-session").click();
      await page.getByTestId("confirm").waitFor(WAIT);
      await leave();
      await page.getByTestId("confirm").waitFor({ ...WAIT, state: "detached" });
    }
    await page.getByTestId("end-session").click();
    await page.getByTestId("confirm-yes").click();
    await page.getByTestId("admin-notice").filter({ hasText: "was ended" }).waitFor(WAIT);
    if (mock.world.admin.sessions.length !== 4) throw new Error("the call was not ended");
    await page.getByTestId("drain").click();
    await page.keyboard.press("Enter");
    if (mock.world.admin.draining) throw new Error("Return alone drained the instance");
    await page.getByTestId("confirm-word").fill("drain");
    await page.keyboard.press("Enter");
    await page.getByTestId("headline").filter({ hasText: "Draining" }).waitFor(WAIT);
  },

  async "operators: a server that falls silent is seen at once"(page, mock) {
    await signIn(page, mock);
    await page.route("**/api/**", (route) => route.abort());
    await page.getByTestId("silence").waitFor(WAIT);
    await axeInBoth(page, "a silent server");
    await page.unroute("**/api/**");
    await page.getByTestId("silence").waitFor({ ...WAIT, state: "detached" });
  },

  async "operators: a server that never answered, one with a fault, and a token that lapses have their own words"(
    page,
    mock,
  ) {
    mock.world.admin = badNight();
    await page.goto(`${mock.url}/admin`);
    await page.route("**/api/**", (route) => route.abort());
    await page.getByTestId("admin-token").fill(OPERATOR);
    await page.keyboard.press("Enter");
    await page.getByTestId("silence").filter({ hasText: "Is the process running" }).waitFor(WAIT);
    await axeInBoth(page, "a server that never answered");
    await page.unroute("**/api/**");
    await page.getByTestId("headline").waitFor(WAIT);
    mock.world.admin.broken = true;
    await page
      .getByTestId("silence")
      .filter({ hasText: "only with errors" })
      .filter({ hasText: "its log" })
      .waitFor(WAIT);
    mock.world.admin.broken = false;
    await page.getByTestId("silence").waitFor({ ...WAIT, state: "detached" });
    mock.world.admin.revoked = true;
    await page.getByTestId("admin-refusal").filter({ hasText: "signed out" }).waitFor(WAIT);
  },

  async "operators: a call that is over says so, and an empty instance too"(page, mock) {
    await signIn(page, mock);
    await page.getByTestId("watch").first().click();
    await page.locator('[data-testid="watch-panel"][data-link="open"]').waitFor(WAIT);
    mock.world.admin.sessions = [];
    await page.getByTestId("show-words").click();
    await page
      .locator('[data-testid="watch-panel"][data-link="gone"]')
      .filter({ hasText: "another instance" })
      .waitFor(WAIT);
    await page.getByTestId("no-calls").filter({ hasText: "No calls just now" }).waitFor(WAIT);
    await axeInBoth(page, "a call that is gone");
  },

  async "operators: an auditor and whoever answers for privacy have their own page"(page, mock) {
    mock.world.admin = { ...badNight(), recordings: recordings() };
    for (const [token, title] of [
      [AUDITOR, "Audit"],
      [PRIVACY, "Privacy"],
    ]) {
      await page.goto(`${mock.url}/admin`);
      await page.getByTestId("admin-token").fill(token);
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: title }).waitFor(WAIT);
      await page.getByTestId("list-recordings").click();
      await page.getByTestId("recording").nth(1).waitFor(WAIT);
      await page.getByTestId("audit").click();
      await page.getByTestId("audit-result").filter({ hasText: "43 lines" }).waitFor(WAIT);
      await page.getByTestId("person").fill("phone:+15551234567");
      await page.getByTestId("consents").click();
      await page.getByTestId("admin-notice").filter({ hasText: "not to be recorded" }).waitFor(WAIT);
      await axeInBoth(page, title);
      await page.setViewportSize({ width: 390, height: 844 });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) throw new Error(`${title}: ${over} px too wide for a phone`);
      await page.getByTestId("sign-out").click();
    }
  },

  async "the callers' page loads nothing of the operators'"(page, mock) {
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.goto(mock.url);
    await page.getByTestId("consent-dialog").waitFor(WAIT);
    const stray = asked.filter((url) => url.includes("admin"));
    if (stray.length > 0) throw new Error(`it loads ${stray}`);
  },
};
