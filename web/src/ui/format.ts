import { PAUSE_MS, type Stage, type Task, type Turn } from "../session/protocol";

/** How a due date is shown, and whether it has passed. */
export interface Due {
  text: string;
  tone: "overdue" | "soon" | "later";
}

const DAY_MS = 86_400_000;

/** Midnight of a day as UTC, so that days can be subtracted whatever the summer time does. */
function dayNumber(year: number, month: number, day: number): number {
  return Date.UTC(year, month, day) / DAY_MS;
}

function locale(): string {
  const language = typeof navigator === "undefined" ? "en" : navigator.language;
  return language.startsWith("en") ? language : "en-GB";
}

/** An ISO date ("2026-11-27") or date-time as a person says it, seen from `now`. */
export function formatDue(due: string, now: Date, done = false): Due | null {
  const dateOnly = /^\d{4}-\d{2}-\d{2}$/.test(due);
  const date = new Date(dateOnly ? `${due}T00:00` : due);
  if (Number.isNaN(date.getTime())) return null;
  const today = dayNumber(now.getFullYear(), now.getMonth(), now.getDate());
  const days = dayNumber(date.getFullYear(), date.getMonth(), date.getDate()) - today;
  const time = dateOnly ? "" : `, ${date.toLocaleTimeString(locale(), { hour: "numeric", minute: "2-digit" })}`;
  const passed = dateOnly ? days < 0 : date.getTime() < now.getTime();
  const tone = done ? "later" : passed ? "overdue" : days <= 1 ? "soon" : "later";
  return { text: dayName(days, date, now) + time, tone };
}

function dayName(days: number, date: Date, now: Date): string {
  if (days === 0) return "Today";
  if (days === 1) return "Tomorrow";
  if (days === -1) return "Yesterday";
  if (days > 1 && days < 7) return date.toLocaleDateString(locale(), { weekday: "long" });
  const year = date.getFullYear() === now.getFullYear() ? {} : { year: "numeric" as const };
  return date.toLocaleDateString(locale(), { weekday: "short", day: "numeric", month: "short", ...year });
}

/** The time of day, to the second: when something just happened. */
export function formatClock(atMs: number): string {
  return new Date(atMs).toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** How long is to be waited: a wait of hours is not counted in seconds. The space does not break. */
export function formatWait(seconds: number): string {
  if (seconds < 100) return `${seconds}\u00a0s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes}\u00a0min` : `${Math.round(minutes / 60)}\u00a0h`;
}

/** Milliseconds as the timeline shows them. */
export function formatMs(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}

/** How long a turn's answer took; behind typed words there is no silence that could be measured. */
export function formatLatency({ latency_ms, aloud }: Turn): string {
  if (latency_ms === null) return aloud === true ? "typed" : "in writing";
  return formatMs(latency_ms);
}

/** A turn's cost: fractions of a cent matter. */
export function formatCost(usd: number): string {
  if (usd === 0) return "free";
  return usd < 0.0001 ? "< $0.0001" : `$${usd.toFixed(4)}`;
}

export const STAGE_NAMES: Record<Stage, string> = {
  endpointing: "Making sure you had finished",
  stt: "Making out your words",
  llm: "Finding the answer",
  tool: "Changing your list",
  tts: "Finding the voice",
  network: "Network",
  playout: "Starting the sound",
};

const CAUSES: Record<Stage, (took: string) => string> = {
  endpointing: (took) => `I waited ${took} to be sure that you had finished.`,
  stt: (took) => `Making out your words took ${took}.`,
  llm: (took) => `Finding the answer took ${took}.`,
  tool: (took) => `Changing your list took ${took}.`,
  tts: (took) => `Finding my voice took ${took}.`,
  network: (took) => `The connection between us took ${took}.`,
  playout: (took) => `It took ${took} until the sound began.`,
};

function isStage(word: string): word is Stage {
  return Object.hasOwn(CAUSES, word);
}

/** Why a pause was long, in words that a person says; null for one that nobody felt. */
export function pauseSentence(turn: Turn): string | null {
  if (turn.latency_ms === null || turn.latency_ms <= PAUSE_MS) return null;
  if (turn.cause === null) return "A long pause, and no single cause of it.";
  if (!isStage(turn.cause)) return `A long pause: ${turn.cause}.`;
  return CAUSES[turn.cause](formatMs(turn.stages[turn.cause]));
}

/** Open tasks in the server's order ("the second one" must be the second), then the done ones, latest first. */
export function arrange(tasks: Task[], edited: string | null = null): { open: Task[]; done: Task[] } {
  // One that is done by voice while it is edited by hand stays where the hands are.
  const isOpen = ({ id, status }: Task) => status === "open" || id === edited;
  const open = tasks.filter(isOpen);
  const done = tasks.filter((task) => !isOpen(task));
  done.sort((a, b) => (b.completed_at ?? "").localeCompare(a.completed_at ?? ""));
  return { open, done };
}
