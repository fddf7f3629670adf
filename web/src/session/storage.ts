import type { Credentials } from "./api";

/** How the caller chose to take part. */
export type Mode = "record" | "talk" | "type";

export interface Kept extends Credentials {
  mode: Mode;
}

const KEY = "voice-agent.session";

/** The session of this tab: it survives a reload, and ends with the tab. */
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
