// What is to be seen of the operators' page, by name: the screenshots' states of it.

import { AUDITOR, badNight, OPERATOR, PRIVACY, recordings } from "../dev/mock-admin.mjs";
import { signIn } from "./checks/operators.mjs";

const WAIT = { timeout: 10_000 };

/** The page of who answers for what is kept of people, with everything opened. */
async function office(page, mock, token) {
  mock.world.admin = { ...badNight(), recordings: recordings() };
  await page.goto(`${mock.url}/admin`);
  await page.getByTestId("admin-token").fill(token);
  await page.getByTestId("admin-enter").click();
  await page.getByTestId("list-recordings").click();
  await page.getByTestId("recording").first().waitFor(WAIT);
  await page.getByTestId("audit").click();
  await page.getByTestId("audit-result").waitFor(WAIT);
  await page.getByTestId("person").fill("phone:+15551234567");
  await page.getByTestId("consents").click();
  await page.getByTestId("admin-notice").filter({ hasText: "Decided" }).waitFor(WAIT);
}

export const operatorStates = {
  async "admin-sign-in"(page, mock) {
    await page.goto(`${mock.url}/admin`);
    await page.getByTestId("admin-token").waitFor(WAIT);
  },
  "admin-calls": (page, mock) => signIn(page, mock),
  async "admin-quiet"(page, mock) {
    const readiness = { status: "ready", reasons: [] };
    await signIn(page, mock, { ...badNight(), readiness, rejected: {}, sessions: [] });
  },
  async "admin-watch"(page, mock) {
    await signIn(page, mock);
    await page.getByTestId("watch").nth(1).click();
    await page.locator('[data-type="turn"]').waitFor(WAIT);
  },
  async "admin-wrong-token"(page, mock) {
    mock.world.admin = badNight();
    await page.goto(`${mock.url}/admin`);
    await page.getByTestId("admin-token").fill("wrong");
    await page.getByTestId("admin-enter").click();
    await page.getByTestId("admin-refusal").waitFor(WAIT);
  },
  async "admin-silent"(page, mock) {
    await signIn(page, mock);
    await page.route("**/api/**", (route) => route.abort());
    await page.getByTestId("silence").waitFor(WAIT);
  },
  async "admin-no-answer"(page, mock) {
    mock.world.admin = badNight();
    await page.goto(`${mock.url}/admin`);
    await page.route("**/api/**", (route) => route.abort());
    await page.getByTestId("admin-token").fill(OPERATOR);
    await page.getByTestId("admin-enter").click();
    await page.getByTestId("silence").waitFor(WAIT);
  },
  async "admin-faults"(page, mock) {
    await signIn(page, mock);
    mock.world.admin.broken = true;
    await page.getByTestId("silence").waitFor(WAIT);
  },
  async "admin-lapsed"(page, mock) {
    await signIn(page, mock);
    mock.world.admin.revoked = true;
    await page.getByTestId("admin-refusal").filter({ hasText: "signed out" }).waitFor(WAIT);
  },
  async "admin-gone"(page, mock) {
    await operatorStates["admin-watch"](page, mock);
    mock.world.admin.sessions = mock.world.admin.sessions.filter(({ user_id }) => user_id !== "linus");
    await page.getByTestId("show-words").click();
    await page.locator('[data-testid="watch-panel"][data-link="gone"]').waitFor(WAIT);
  },
  "admin-audit": (page, mock) => office(page, mock, AUDITOR),
  "admin-privacy": (page, mock) => office(page, mock, PRIVACY),
  async "admin-recordings"(page, mock) {
    await signIn(page, mock, { ...badNight(), records: true, recordings: recordings(), sessions: [] });
    await page.getByTestId("list-recordings").click();
    await page.getByTestId("recording").first().waitFor(WAIT);
  },
  async "admin-words"(page, mock) {
    await operatorStates["admin-watch"](page, mock);
    await page.getByTestId("show-words").click();
    await page.locator('[data-type="transcript"]').first().waitFor(WAIT);
  },
  async "admin-end"(page, mock) {
    await operatorStates["admin-watch"](page, mock);
    await page.getByTestId("end-session").click();
    await page.getByTestId("confirm").waitFor(WAIT);
  },
  async "admin-drain"(page, mock) {
    await signIn(page, mock);
    await page.getByTestId("drain").click();
    await page.getByTestId("confirm").waitFor(WAIT);
  },
};
