import { describe, expect, it, vi } from "vitest";
import { ACCESS_KEY, Access, tokenOf } from "./access";

const JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl";

function pageAt(hash: string, storage = new Map<string, string>()) {
  const listeners: (() => void)[] = [];
  const page = {
    location: { hash, pathname: "/", search: "?test=1" },
    history: { state: null, replaceState: vi.fn() },
    sessionStorage: {
      getItem: (key: string) => storage.get(key) ?? null,
      setItem: (key: string, value: string) => void storage.set(key, value),
      removeItem: (key: string) => void storage.delete(key),
    },
    addEventListener: (_: string, listener: () => void) => void listeners.push(listener),
  };
  return { page, listeners, storage, window: page as unknown as Window };
}

describe("the caller's token", () => {
  it("is taken from the fragment, kept for the tab, and taken out of the address", () => {
    const { page, window, storage } = pageAt(`#access_token=${JWT}&token_type=bearer`);
    expect(new Access(window).token).toBe(JWT);
    expect(storage.get(ACCESS_KEY)).toBe(JWT);
    expect(page.history.replaceState).toHaveBeenCalledWith(null, "", "/?test=1");
    expect(new Access(pageAt("", storage).window).token).toBe(JWT);
  });

  it("leaves the address alone when there is none, and takes out one that is no token", () => {
    const without = pageAt("#talk");
    expect(new Access(without.window).token).toBeNull();
    expect(without.page.history.replaceState).not.toHaveBeenCalled();
    const wrong = pageAt("#access_token=%3Cscript%3E");
    expect(new Access(wrong.window).token).toBeNull();
    expect(wrong.page.history.replaceState).toHaveBeenCalled();
  });

  it("is renewed by a new fragment or by a page of the same origin, and can be forgotten", () => {
    const { page, window, listeners, storage } = pageAt("");
    const access = new Access(window);
    page.location.hash = `#access_token=${JWT}`;
    for (const listener of listeners) listener();
    expect(access.token).toBe(JWT);
    storage.set(ACCESS_KEY, "a.b.c");
    expect(access.token).toBe("a.b.c");
    access.forget();
    expect(access.token).toBeNull();
  });

  it("is not read from anything but a token", () => {
    expect(tokenOf(`#access_token=${JWT}`)).toBe(JWT);
    expect(tokenOf("#access_token=")).toBeNull();
    expect(tokenOf("?access_token=")).toBeNull();
  });
});
