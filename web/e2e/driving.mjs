// What every script that plays a caller does with the page: it asks for its state, and waits for it.

/** The page's whole state; its address has `?test=1`. */
export const state = (page) => page.evaluate(() => window.__voiceAgentTest.state());

/** Waits until `test(state)` holds and returns the state. The test runs here, so it may use what is around it. */
export async function until(page, what, timeoutMs, test) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const now = await state(page);
    if (test(now)) return now;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await page.waitForTimeout(50);
  }
}

/** Waits until the agent has been neither thinking nor speaking for a second: what its caption says was spoken. */
export async function untilSilent(page, what, timeoutMs) {
  for (let quiet = 0; quiet < 10; quiet++) {
    await page.waitForTimeout(100);
    if ((await state(page)).agentState === "listening") continue;
    await until(page, what, timeoutMs, (now) => now.agentState === "listening");
    quiet = 0;
  }
}

/** What the agent said, from this line on. */
export const agentWords = (now, from = 0) =>
  now.lines
    .slice(from)
    .filter((line) => line.who === "agent")
    .map((line) => line.text)
    .join(" ");

/** With ROOM=1 the call is to go through a LiveKit room, and else directly; throws when it does not. */
export async function checkWay(page) {
  const isRoom = await page.evaluate(() => window.__voiceAgentTest.isRoom());
  if (isRoom !== (process.env.ROOM === "1")) throw new Error(`the call goes ${isRoom ? "through a room" : "directly"}`);
}

/** Exceptions of the page, and what its policy refused: both are faults. A lost server's network errors are not. */
export function watch(page) {
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (/Content Security Policy/i.test(message.text())) faults.push(message.text());
  });
  return faults;
}
