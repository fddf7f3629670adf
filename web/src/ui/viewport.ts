/** What the keyboard of a phone leaves less than this is no keyboard but a bar of the browser, in px. */
const KEYBOARD_PX = 120;

/**
 * Keeps the text box above the keyboard where the browser lays its keyboard over the page instead of making the page
 * smaller (Safari on a phone does; the others are told in index.html to resize).
 */
export function fitToKeyboard(page: Window): void {
  const viewport = page.visualViewport;
  if (viewport === null) return;
  const fit = () => {
    const style = page.document.documentElement.style;
    // A page that was zoomed is meant to be larger than what is seen of it.
    if (viewport.scale === 1 && page.innerHeight - viewport.height > KEYBOARD_PX) {
      style.setProperty("--page-height", `${Math.round(viewport.height)}px`);
      page.scrollTo(0, 0);
    } else {
      style.removeProperty("--page-height");
    }
  };
  viewport.addEventListener("resize", fit);
}
