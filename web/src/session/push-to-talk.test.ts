import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ownsSpace, PushToTalk, type SpaceKey, TAIL_MS } from "./push-to-talk";
import { isSilenced } from "./state";
import { Store } from "./store";

const on = (selector: string) => ({ closest: (list: string) => (list.split(", ").includes(selector) ? {} : null) });
const nowhere = on("body");

function key(fields: Partial<SpaceKey> = {}) {
  const preventDefault = vi.fn();
  const none = { altKey: false, ctrlKey: false, metaKey: false, shiftKey: false };
  return { code: "Space", repeat: false, isComposing: false, ...none, preventDefault, ...fields };
}

function liveStore(): Store {
  const store = new Store();
  store.dispatch({ type: "starting", mode: "talk" });
  store.dispatch({ type: "session_open", recording: false });
  store.dispatch({ type: "link", link: { name: "open" } });
  store.dispatch({ type: "microphone", microphone: "on" });
  store.dispatch({ type: "talk_mode", talkMode: "push" });
  return store;
}

describe("push-to-talk", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("opens the microphone exactly while the space bar is held, and for the last syllable", () => {
    const store = liveStore();
    const push = new PushToTalk(store);
    expect(isSilenced(store.state)).toBe(true);
    const down = key();
    push.keyDown(down, nowhere);
    expect(isSilenced(store.state)).toBe(false);
    expect(down.preventDefault).toHaveBeenCalled();
    push.keyDown(key({ repeat: true }), nowhere);
    push.keyUp(key());
    expect(isSilenced(store.state)).toBe(false);
    vi.advanceTimersByTime(TAIL_MS);
    expect(isSilenced(store.state)).toBe(true);
  });

  it.each(["input", "textarea", "button", "summary", "select"])("leaves the space bar to a %s", (selector) => {
    const store = liveStore();
    const down = key();
    new PushToTalk(store).keyDown(down, on(selector));
    expect(store.state.held).toBe(false);
    expect(down.preventDefault).not.toHaveBeenCalled();
  });

  it("does nothing with a modifier, while composing, or when the microphone is always open", () => {
    const store = liveStore();
    const push = new PushToTalk(store);
    for (const fields of [{ ctrlKey: true }, { shiftKey: true }, { isComposing: true }, { code: "Enter" }]) {
      push.keyDown(key(fields), nowhere);
    }
    store.dispatch({ type: "talk_mode", talkMode: "open" });
    push.keyDown(key(), nowhere);
    expect(store.state.held).toBe(false);
  });

  it("falls silent at once when the page is left, and a late key-up changes nothing", () => {
    const store = liveStore();
    const push = new PushToTalk(store);
    push.keyDown(key(), nowhere);
    push.drop();
    expect(isSilenced(store.state)).toBe(true);
    const up = key();
    push.keyUp(up);
    expect(up.preventDefault).not.toHaveBeenCalled();
  });

  it("lets a muted caller say something without unmuting", () => {
    const store = liveStore();
    store.dispatch({ type: "talk_mode", talkMode: "open" });
    store.dispatch({ type: "muted", muted: true });
    const push = new PushToTalk(store);
    push.keyDown(key(), nowhere);
    expect(isSilenced(store.state)).toBe(false);
    push.keyUp(key());
    vi.advanceTimersByTime(TAIL_MS);
    expect(isSilenced(store.state)).toBe(true);
    expect(store.state.muted).toBe(true);
  });

  it("goes on when it is pressed again within the tail", () => {
    const store = liveStore();
    const push = new PushToTalk(store);
    push.press();
    push.release();
    vi.advanceTimersByTime(TAIL_MS - 1);
    push.press();
    vi.advanceTimersByTime(TAIL_MS * 2);
    expect(store.state.held).toBe(true);
  });

  it("lets go when the microphone goes, and needs a live call", () => {
    const store = liveStore();
    const push = new PushToTalk(store);
    push.press();
    store.dispatch({ type: "microphone", microphone: "lost" });
    expect(store.state.held).toBe(false);
    push.press();
    expect(store.state.held).toBe(false);
  });

  it("is not possible while nobody listens", () => {
    const store = liveStore();
    const push = new PushToTalk(store);
    store.dispatch({ type: "link", link: { name: "waiting", attempt: 0, why: "dropped", retryAtMs: 0 } });
    push.press();
    expect(store.state.held).toBe(false);
    store.dispatch({ type: "link", link: { name: "open" } });
    push.press();
    expect(store.state.held).toBe(true);
  });

  it("knows whose the space bar is", () => {
    expect(ownsSpace(null)).toBe(false);
    expect(ownsSpace(nowhere)).toBe(false);
    expect(ownsSpace(on("input"))).toBe(true);
  });
});
