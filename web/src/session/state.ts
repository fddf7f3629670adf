import type { MicrophoneFailure } from "../audio/engine";
import type { OverReason } from "./close-codes";
import type { AgentState, Task, Turn } from "./protocol";
import type { Mode } from "./storage";

/** One paragraph of the conversation. */
export interface Line {
  /** Unique on the page, and stable: a list key. */
  key: string;
  who: "you" | "agent";
  text: string;
  /** Still being understood: it may change. */
  interim: boolean;
  /** What an interruption cut off; null while nothing was; empty where only that it was is known, and not by whom. */
  unheard: string | null;
  replyId: number | null;
  /** The reply that an earlier connection had it of. */
  pastReplyId: number | null;
}

export type Phase =
  /** The dialog: nothing runs, no microphone was asked for. */
  | { name: "consent" }
  | { name: "starting" }
  | { name: "live" }
  /** The server takes nobody just now: it is full (`busy`), draining, or in trouble. */
  | { name: "full"; retryAtMs: number; message: string; busy: boolean }
  /** The session could not be opened for another reason. */
  | { name: "refused"; status: number; message: string; retryAtMs: number | null }
  | { name: "over"; reason: OverReason; detail: string };

/** The voice connection; the session may be alive without one. */
export type Link =
  | { name: "idle" }
  | { name: "connecting" }
  | { name: "open" }
  | { name: "waiting"; attempt: number; why: "dropped" | "restarting" | "slow" | "moved"; retryAtMs: number }
  /** The API answers but WebSockets do not come through: typing goes on. */
  | { name: "text_only" };

/** `lost` is a microphone that was unplugged or taken away in mid-call. */
export type Microphone = "off" | "asking" | "on" | "lost" | MicrophoneFailure;

/** Whether the microphone is open all the time, or only while the key or the button is held. */
export type TalkMode = "open" | "push";

/** Whether the caller shares a screen, or the browser asks which. */
export type Screen = "off" | "asking" | "on";

/** A microphone that can be chosen; the empty id is the system's own choice. */
export interface MicrophoneChoice {
  id: string;
  label: string;
}

/** A typed message that the server has not taken yet. */
export interface Pending {
  key: string;
  text: string;
  /** It left this page; without, it waits for the connection. */
  sent: boolean;
}

/** The last change by hand, which can be taken back. */
export interface Undo {
  label: string;
  /** So many changes before it can be taken back after it. */
  more: number;
}

export interface SessionState {
  phase: Phase;
  mode: Mode;
  link: Link;
  microphone: Microphone;
  muted: boolean;
  talkMode: TalkMode;
  /** The key or the button is down: a closed microphone is open meanwhile. */
  held: boolean;
  /** What can be chosen from; known once the browser has given the permission. */
  microphones: MicrophoneChoice[];
  microphoneId: string;
  /** The caller agreed to recording. */
  recording: boolean;
  /** This server keeps recordings at all. */
  records: boolean;
  /** This server looks at a shared screen. */
  screens: boolean;
  screen: Screen;
  /** When the agent last looked at it, on the page's clock. */
  lookedAtMs: number | null;
  agent: string;
  agentState: AgentState;
  userSpeaking: boolean;
  /** There is a loudspeaker: the agent is heard, not only read. */
  sound: boolean;
  /** The browser holds sound back until the page is touched. */
  soundBlocked: boolean;
  /** What the server said when voice failed. */
  fallback: string | null;
  lines: Line[];
  pending: Pending[];
  /** Messages on their way that the server did not take; which of them is not known yet. */
  refusals: number;
  tasks: Task[];
  tasksLoaded: boolean;
  /** Tasks that changed with the last list, to be shown for a moment. */
  changed: string[];
  /** The latest turns, newest first. */
  turns: Turn[];
  /** Turns of this conversation, and what they cost together. */
  turnCount: number;
  spentUsd: number;
  rttMs: number | null;
  /** The reply that is being spoken, or was last. */
  spokenReply: number | null;
  notice: string | null;
  /** The notice is about a lost connection: with the next one it is no longer true. */
  noticeUntilOpen: boolean;
  /** What stands in the text box. */
  draft: string;
  undo: Undo | null;
  /** A message by HTTP is on its way. */
  sending: boolean;
  nextKey: number;
}

/** Turns that the timeline keeps. */
export const TURNS_KEPT = 20;
/** Lines that the page keeps; the server has them all. */
export const LINES_KEPT = 400;

export function initialState(): SessionState {
  return {
    phase: { name: "consent" },
    mode: "record",
    link: { name: "idle" },
    microphone: "off",
    muted: false,
    talkMode: "open",
    held: false,
    microphones: [],
    microphoneId: "",
    recording: false,
    records: false,
    screens: false,
    screen: "off",
    lookedAtMs: null,
    agent: "",
    agentState: "listening",
    userSpeaking: false,
    sound: false,
    soundBlocked: false,
    fallback: null,
    lines: [],
    pending: [],
    refusals: 0,
    tasks: [],
    tasksLoaded: false,
    changed: [],
    turns: [],
    turnCount: 0,
    spentUsd: 0,
    rttMs: null,
    spokenReply: null,
    notice: null,
    noticeUntilOpen: false,
    draft: "",
    undo: null,
    sending: false,
    nextKey: 1,
  };
}

/**
 * No frame of the caller may leave: there is no microphone, or it is closed and nobody holds the key. Who has lost the voice is told
 * that nobody listens, and asked to type: then nothing is sent to be listened to. While the browser holds sound back it holds back
 * what is captured, too, where it does not go through a room; through one, nobody is heard who cannot hear.
 */
export function isSilenced(state: SessionState): boolean {
  const closed = state.muted || state.talkMode === "push";
  return state.microphone !== "on" || state.fallback !== null || state.soundBlocked || (closed && !state.held);
}

/** Somebody is there to whom frames could go. */
export function isReachable(state: SessionState): boolean {
  return state.phase.name === "live" && state.link.name === "open" && state.fallback === null && !state.soundBlocked;
}

/** What is said now is heard. Whatever shows an open microphone shows this. */
export function isListening(state: SessionState): boolean {
  return isReachable(state) && !isSilenced(state);
}

/** The answers are to be spoken: there is a loudspeaker, and the caller does not only type. */
export function isAloud(state: SessionState): boolean {
  return state.sound && state.mode !== "type";
}

/** The agent's words come by loudspeaker, so that a screen reader need not say them at the same time. */
export function isHeardAloud(state: SessionState): boolean {
  return isAloud(state) && !state.soundBlocked && state.fallback === null && state.link.name === "open";
}
