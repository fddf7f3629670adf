import { isReachable } from "./state";
import type { Store } from "./store";

/** The last syllable is still being said when the key comes up, in ms. */
export const TAIL_MS = 200;

/** Where the space bar means something already: it types, presses, opens, ticks or plays. */
const TAKES_SPACE =
  "input, textarea, select, button, summary, a[href], audio, video, [contenteditable], [role=button], [role=radio], dialog";

/** As much of an element as the question needs. */
export interface SpaceTarget {
  closest(selector: string): unknown;
}

/** Whether the space bar belongs to what has the focus, and not to talking. */
export function ownsSpace(target: SpaceTarget | null): boolean {
  return target !== null && target.closest(TAKES_SPACE) !== null;
}

export interface SpaceKey {
  code: string;
  repeat: boolean;
  isComposing: boolean;
  altKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  shiftKey: boolean;
  preventDefault(): void;
}

/**
 * Push-to-talk: a closed microphone is open exactly while the space bar or the button is held, and a moment longer. It is
 * closed always where the caller chose to hold, and wherever it is muted.
 */
export class PushToTalk {
  private tail: ReturnType<typeof setTimeout> | undefined;
  /** The space bar is down and talks: its key-up is ours, wherever the focus has gone meanwhile. */
  private byKey = false;

  constructor(private readonly store: Store) {}

  get possible(): boolean {
    const { state } = this.store;
    // Where nobody listens, nothing may look as if holding it made somebody listen.
    return isReachable(state) && state.microphone === "on" && (state.muted || state.talkMode === "push");
  }

  press(): void {
    if (!this.possible) return;
    clearTimeout(this.tail);
    this.tail = undefined;
    this.store.dispatch({ type: "held", held: true });
  }

  release(): void {
    this.byKey = false;
    if (!this.store.state.held || this.tail !== undefined) return;
    this.tail = setTimeout(() => this.drop(), TAIL_MS);
  }

  /** Silent at once: the page is left, or the mode changes. */
  drop(): void {
    clearTimeout(this.tail);
    this.tail = undefined;
    this.byKey = false;
    this.store.dispatch({ type: "held", held: false });
  }

  /** A key went down anywhere on the page. */
  keyDown(key: SpaceKey, target: SpaceTarget | null): void {
    if (key.code !== "Space" || key.isComposing || key.altKey || key.ctrlKey || key.metaKey || key.shiftKey) return;
    if (this.byKey) {
      // A held key repeats; the page must not scroll meanwhile.
      key.preventDefault();
      return;
    }
    if (key.repeat || !this.possible || ownsSpace(target)) return;
    key.preventDefault();
    this.byKey = true;
    this.press();
  }

  keyUp(key: SpaceKey): void {
    if (key.code !== "Space" || !this.byKey) return;
    key.preventDefault();
    this.release();
  }

  /** Listens to the page; returns how to stop. */
  listen(page: Window): () => void {
    const target = (event: Event) => (event.target instanceof Element ? event.target : null);
    const down = (event: KeyboardEvent) => this.keyDown(event, target(event));
    const up = (event: KeyboardEvent) => this.keyUp(event);
    const left = () => this.drop();
    const hidden = () => {
      if (page.document.visibilityState === "hidden") this.drop();
    };
    page.addEventListener("keydown", down);
    page.addEventListener("keyup", up);
    page.addEventListener("blur", left);
    page.document.addEventListener("visibilitychange", hidden);
    return () => {
      page.removeEventListener("keydown", down);
      page.removeEventListener("keyup", up);
      page.removeEventListener("blur", left);
      page.document.removeEventListener("visibilitychange", hidden);
    };
  }
}
