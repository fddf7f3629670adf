import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { storage } from "./storage";

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  });
});

afterEach(() => vi.unstubAllGlobals());

test("what waits for a connection is found after a reload, in its order, until it has left", () => {
  expect(storage.waiting()).toEqual([]);
  storage.saveWaiting(["add milk", "add\neggs"]);
  expect(storage.waiting()).toEqual(["add milk", "add\neggs"]);
  storage.saveWaiting([]);
  expect(storage.waiting()).toEqual([]);
  expect(sessionStorage.getItem("voice-agent.waiting")).toBeNull();
});

test("what somebody else put there is no message", () => {
  for (const [text, waiting] of [
    ["{", []],
    ['{"a":1}', []],
    ['["add milk", 1, null]', ["add milk"]],
  ] as const) {
    sessionStorage.setItem("voice-agent.waiting", text);
    expect(storage.waiting()).toEqual(waiting);
  }
});
