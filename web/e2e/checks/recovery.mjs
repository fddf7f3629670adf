// Moments at which something goes wrong, or somebody is quicker than the server: what is said of it is true, and nothing is lost.

import { axeInBoth, open, WAIT } from "./shared.mjs";

export const recovery = {
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
