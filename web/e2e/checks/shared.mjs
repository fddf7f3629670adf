// What the checks share: a fresh conversation, and a look for what keeps people out.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export const WAIT = { timeout: 10_000 };

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** The rules that this page is held to; what they find in any state is a fault. */
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** A fresh conversation. The old one is forgotten where no script of the page runs, so that none saves it again. */
export async function start(page, mock, mode) {
  await open(page, mock);
  await page.getByTestId(`consent-${mode}`).click();
  await page.locator('[data-phase="live"][data-link="open"]').waitFor(WAIT);
}

export async function open(page, mock) {
  await page.goto(`${mock.url}/icon.svg`);
  await page.evaluate(() => sessionStorage.clear());
  await page.goto(`${mock.url}/?test=1`);
  await page.getByTestId("consent-dialog").waitFor(WAIT);
}

/** The page's own state, once these fields are as wanted and those are not. */
export async function until(page, wanted, unwanted = {}) {
  const is = ([yes, no]) => {
    const now = window.__voiceAgentTest.state();
    const has = (fields, equal) => Object.entries(fields).every(([key, value]) => (now[key] === value) === equal);
    return has(yes, true) && has(no, false);
  };
  await page.waitForFunction(is, [wanted, unwanted], WAIT);
}

/** Looks for what keeps people out, in the state in which the page is now. Throws with what it finds. */
export async function axe(page, where) {
  await page.evaluate(AXE);
  // Half-way through a fade every colour is another one.
  await page.evaluate(() => {
    for (const one of document.getAnimations()) if (one.effect.getTiming().iterations !== Infinity) one.finish();
  });
  const found = await page.evaluate(async (tags) => {
    const { violations } = await window.axe.run(document, { runOnly: tags, resultTypes: ["violations"] });
    return violations.map(
      ({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0].html.slice(0, 160)} (${nodes[0].any[0]?.message ?? ""})`,
    );
  }, RULES);
  if (found.length > 0) throw new Error(`axe, ${where}: ${found.join(" | ")}`);
}

/** The same look in both themes. */
export async function axeInBoth(page, where) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await axe(page, `${where}, ${colorScheme}`);
  }
}
