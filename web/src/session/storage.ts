import type { Credentials } from "./api";

/** How the caller chose to take part. */
export type Mode = "record" | "talk" | "type";

export interface Kept extends Credentials {
  mode: Mode;
}

const KEY = "voice-agent.session";
const USER_KEY = "voice-agent.user";

/** The session of this tab, which survives a reload and ends with the tab, and the name of this browser. */
export const storage = {
  load(): Kept | null {
    try {
      const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
      return isKept(kept) ? kept : null;
    } catch {
      // A browser may forbid storage altogether; then a reload begins anew.
      return null;
    }
  },

  save(kept: Kept): void {
    try {
      sessionStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      // As above: the call goes on, only a reload cannot resume it.
    }
  },

  /**
   * This browser's own name, made once and kept, so that the next conversation finds the same tasks. A server that
   * checks who callers are refuses it and asks for more; null where nothing can be kept.
   */
  userId(): string | null {
    try {
      const known = localStorage.getItem(USER_KEY);
      if (known !== null && /^web-[0-9a-f]{32}$/.test(known)) return known;
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      const made = `web-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
      localStorage.setItem(USER_KEY, made);
      return made;
    } catch {
      return null;
    }
  },

  clear(): void {
    try {
      sessionStorage.removeItem(KEY);
    } catch {
      // Nothing was kept where nothing can be kept.
    }
  },
};

function isKept(value: unknown): value is Kept {
  if (typeof value !== "object" || value === null) return false;
  const { sessionId, token, mode } = value as Partial<Kept>;
  return typeof sessionId === "string" && typeof token === "string" && ["record", "talk", "type"].includes(mode ?? "");
}
