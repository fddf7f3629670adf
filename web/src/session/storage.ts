import type { Credentials } from "./api";
import type { TalkMode } from "./state";

/** How the caller chose to take part. */
export type Mode = "record" | "talk" | "type";

export interface Kept extends Credentials {
  mode: Mode;
  /** A reload must not open a microphone that was muted. */
  muted?: boolean;
  /** Consent to recording was withdrawn, and the server does not know of it yet. */
  withdrawn?: boolean;
}

/** How this browser is used: its microphone, and whether it is open or pushed. */
export interface AudioChoice {
  microphoneId: string;
  talkMode: TalkMode;
}

const KEY = "voice-agent.session";
const USER_KEY = "voice-agent.user";
const DRAFT_KEY = "voice-agent.draft";
const WAITING_KEY = "voice-agent.waiting";
const AUDIO_KEY = "voice-agent.audio";

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

  audio(): AudioChoice {
    try {
      const kept = JSON.parse(localStorage.getItem(AUDIO_KEY) ?? "{}") as Partial<AudioChoice> | null;
      const id = kept?.microphoneId;
      return {
        microphoneId: typeof id === "string" ? id : "",
        talkMode: kept?.talkMode === "push" ? "push" : "open",
      };
    } catch {
      // Nothing was kept, or nothing that can be read: the usual choice.
      return { microphoneId: "", talkMode: "open" };
    }
  },

  saveAudio(choice: AudioChoice): void {
    try {
      localStorage.setItem(AUDIO_KEY, JSON.stringify(choice));
    } catch {
      // The choice holds for this page only.
    }
  },

  /** What was sent while there was no connection, oldest first: after a reload it waits on, and leaves with the next one. */
  waiting(): string[] {
    try {
      const kept: unknown = JSON.parse(sessionStorage.getItem(WAITING_KEY) ?? "[]");
      return Array.isArray(kept) ? kept.filter((text) => typeof text === "string") : [];
    } catch {
      return [];
    }
  },

  saveWaiting(texts: string[]): void {
    try {
      if (texts.length === 0) sessionStorage.removeItem(WAITING_KEY);
      else sessionStorage.setItem(WAITING_KEY, JSON.stringify(texts));
    } catch {
      // It waits for as long as the page is open.
    }
  },

  /** What stands in the text box: neither a reload nor a server that is away may lose it. */
  draft(): string {
    try {
      return sessionStorage.getItem(DRAFT_KEY) ?? "";
    } catch {
      return "";
    }
  },

  saveDraft(text: string): void {
    try {
      if (text === "") sessionStorage.removeItem(DRAFT_KEY);
      else sessionStorage.setItem(DRAFT_KEY, text);
    } catch {
      // It stands in the text box all the same.
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
