/** What the server tells operators, and what of it is urgent. Pure. */

import { PAUSE_MS, pauseMs, type Stage } from "../session/protocol";
import { formatMs } from "../ui/format";

export interface Trouble {
  kind: string;
  detail: string;
  at: string;
}

/** One live session, as `GET /api/admin/sessions` has it. */
export interface Row {
  session_id: string;
  user_id: string;
  channel: string;
  started_at: string;
  agent: string;
  state: "listening" | "thinking" | "speaking";
  connected: boolean;
  turns: number;
  last_latency_ms: number | null;
  cost_usd: number;
  /** How the call saves money near its ceiling; older servers do not say. */
  cost_step?: "full" | "brief" | "cheap" | "text" | "close";
  state_since: string;
  alone_since: string | null;
  trouble: Trouble | null;
  troubles: number;
}

export interface Overview {
  now: string;
  instance: string;
  version: string;
  sessions: Row[];
  max_sessions: number;
  readiness: { status: "ready" | "degraded" | "not_ready"; reasons: { part: string; reason: string }[] };
  draining: boolean;
  rejected: Record<string, number>;
  input_log: boolean;
}

/** The role of a token, and the calls that it may make. */
export interface WhoAmI {
  role: "operator" | "auditor" | "privacy";
  calls: string[];
  records: boolean;
}

/** One file of a recording, as `GET /api/admin/recordings` has it. */
export interface Recorded {
  name: string;
  owner: string;
  session_id: string;
  begun: string;
  kind: "sound" | "words";
  bytes: number;
  waiting: boolean;
}

/** One part of a recorded call: its sound, and the words beside it. */
export interface Part {
  session: string;
  owner: string;
  begun: string;
  bytes: number;
  waiting: boolean;
  sound: string | null;
  words: string | null;
}

/** Sound and words of the same part together, in the order in which they came. */
export function byCall(files: Recorded[]): Part[] {
  const parts = new Map<string, Part>();
  for (const file of files) {
    const key = file.name.replace(/\.(ogg|jsonl)\.sealed$/, "");
    const fresh = { session: file.session_id, owner: file.owner, begun: file.begun };
    const part = parts.get(key) ?? { ...fresh, bytes: 0, waiting: false, sound: null, words: null };
    part.bytes += file.bytes;
    part.waiting ||= file.waiting;
    part[file.kind] = file.name;
    parts.set(key, part);
  }
  return [...parts.values()];
}

/** What somebody decided about recordings. */
export interface Consents {
  opted_out: boolean;
  consents: { at: string; decision: string; how: string; wording: string }[];
}

/** The access log's last lines, and what an audit of it found. */
export interface Audit {
  audit: {
    logs: number;
    lines: number;
    findings: { log: string; line: number; what: string }[];
    /** Logs that are broken, and of which somebody has written down why. */
    sealed: { log: string; at: string; role: string; reason: string }[];
  };
  lines: { n: number; at: string; role: string; action: string; user: string; of: string }[];
}

/** Something that happened in a session. Fields beyond these depend on its type. */
export interface Happening {
  type: string;
  number: number;
  at: string;
  trouble?: boolean;
  hidden_words?: number;
  [field: string]: unknown;
}

/** How a session goes: the smaller the rank, the sooner somebody should look. */
export interface Wellness {
  rank: number;
  tone: "bad" | "warn" | "well";
  words: string;
}

/** An answer that is not there by then makes a caller wonder, in ms. */
const WAITS_MS = 2_000;
/** Somebody who is away for so long is not just changing networks, in ms. */
const AWAY_MS = 5_000;
/** For how long a trouble is news, in ms. */
const NEWS_MS = 120_000;

const STAGE_WORDS: Record<string, string> = {
  endpointing: "waiting for the end of the turn",
  stt: "speech recognition",
  llm: "the language model",
  tool: "a tool or the store",
  tts: "the voice",
  network: "the network",
  playout: "the playout",
};

/** The stages where a colour and a figure stand beside them. */
export const STAGE_LABELS: Record<Stage, string> = {
  endpointing: "end of turn",
  stt: "recognition",
  llm: "language model",
  tool: "tool or store",
  tts: "voice",
  network: "network",
  playout: "playout",
};

/** The parts that the server says are in trouble; what is not here has its own name. */
const PART_WORDS: Record<string, string> = {
  ...STAGE_WORDS,
  store: "the store",
  recording: "recordings",
  livekit: "LiveKit",
  turn: "the end of turns",
};

export function partWords(part: string): string {
  return capital(PART_WORDS[part] ?? part);
}

/** How a call saves money near its ceiling. */
const SAVING_WORDS: Record<string, string> = {
  full: "nothing saved",
  brief: "short answers",
  cheap: "cheaper model",
  text: "text only",
  close: "about to end",
};

export function savingWords(step: string): string {
  return SAVING_WORDS[step] ?? step;
}

/** "1 call", "2 calls". */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

export function stageWords(stage: string): string {
  return STAGE_WORDS[stage] ?? stage;
}

/** Why a provider failed: what tells whether it is theirs, ours, or a bill. */
const FAILURES: Record<string, string> = {
  timeout: "no answer in time",
  stalled: "it stopped half-way",
  unavailable: "it is down, or refuses",
  rate_limited: "too many requests",
  quota: "no money or quota left",
  auth: "the key is wrong",
  bad_request: "it did not take our request",
  not_served: "it does not serve this model",
  disconnected: "the connection broke",
  protocol: "its answer was not understood",
  unusable: "its answer was of no use",
};

const GIVEN_UP: Record<string, string> = { long_speech: "speech without an end", commit: "saving the call’s state" };

/** A trouble as a person says it. */
export function troubleWords({ kind, detail }: Pick<Trouble, "kind" | "detail">): string {
  const [stage = "", how = ""] = detail.split(" ");
  switch (kind) {
    case "slow":
      return detail === "" ? "A slow answer, with no single cause" : `A slow answer: ${stageWords(detail)}`;
    case "provider_failed":
      return `${capital(stageWords(stage))} failed: ${FAILURES[how] ?? how.replaceAll("_", " ")}`;
    case "deadline_missed":
      return `Took too long: ${GIVEN_UP[detail] ?? stageWords(detail)}`;
    case "commit_failed":
      return "The call’s state could not be saved";
    case "tool_failed":
      return `A tool failed (${detail.replaceAll("_", " ")})`;
    case "fell_back_to_text":
      return "Voice failed; the caller can only type";
    case "failed":
      return "The call ended by a fault";
    default:
      return kind.replaceAll("_", " ");
  }
}

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** How long it is since a moment, in ms. */
export function since(moment: string, nowMs: number): number {
  const ms = nowMs - Date.parse(moment);
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/** A moment of any day, in this machine's zone. */
export function formatMoment(at: string): string {
  return new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}

/** How much is kept. */
export function formatSize(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1_000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** The zone of the times on this page, as it stands beside UTC, which is what servers' logs have. */
export function zoneName(now: Date): string {
  const ahead = -now.getTimezoneOffset();
  if (ahead === 0) return "UTC";
  const two = (value: number) => String(value).padStart(2, "0");
  return `UTC${ahead < 0 ? "−" : "+"}${two(Math.floor(Math.abs(ahead) / 60))}:${two(Math.abs(ahead) % 60)}`;
}

/** Whole seconds, minutes or hours. */
export function formatSpan(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)} min`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)} h`;
}

export function wellness(row: Row, nowMs: number): Wellness {
  const inState = since(row.state_since, nowMs);
  if (row.connected && row.state === "thinking" && inState > WAITS_MS)
    return { rank: 0, tone: "bad", words: `Has waited ${formatSpan(inState)} for an answer` };
  const { trouble } = row;
  const fresh = trouble !== null && since(trouble.at, nowMs) < NEWS_MS;
  if (fresh && trouble.kind !== "slow")
    return { rank: 1, tone: "bad", words: `${troubleWords(trouble)}, ${formatSpan(since(trouble.at, nowMs))} ago` };
  const away = row.alone_since === null ? 0 : since(row.alone_since, nowMs);
  if (away > AWAY_MS) return { rank: 2, tone: "warn", words: `Caller cut off for ${formatSpan(away)}` };
  if (row.last_latency_ms !== null && row.last_latency_ms > PAUSE_MS) {
    const cause = trouble?.kind === "slow" && trouble.detail !== "" ? ` (${stageWords(trouble.detail)})` : "";
    return { rank: 3, tone: "warn", words: `The last answer was slow${cause}` };
  }
  const before = row.troubles > 0 ? `, ${row.troubles} before` : "";
  return { rank: 4, tone: "well", words: `No trouble${before}` };
}

export type Column = "wellness" | "channel" | "state" | "age" | "turns" | "latency" | "cost";

/** What a column is sorted by; what is worst, longest or most comes first. */
function keyOf(row: Row, column: Column, nowMs: number): number | string {
  switch (column) {
    case "wellness":
      return wellness(row, nowMs).rank;
    case "channel":
      return row.channel;
    case "state":
      return row.state;
    case "age":
      return Date.parse(row.started_at);
    case "turns":
      return -row.turns;
    case "latency":
      return -(row.last_latency_ms ?? -1);
    case "cost":
      return -row.cost_usd;
  }
}

export function sorted(rows: Row[], column: Column, reversed: boolean, nowMs: number): Row[] {
  const by = (a: Row, b: Row) => {
    const [x, y] = [keyOf(a, column, nowMs), keyOf(b, column, nowMs)];
    const order = x < y ? -1 : x > y ? 1 : 0;
    // Equals stay where they are from one refresh to the next.
    return (
      (reversed ? -order : order) ||
      a.started_at.localeCompare(b.started_at) ||
      a.session_id.localeCompare(b.session_id)
    );
  };
  return rows.toSorted(by);
}

/** What is to be known first, in one sentence, and how bad it is. */
export function headline(overview: Overview, nowMs: number): { tone: Wellness["tone"]; words: string; detail: string } {
  const all = overview.sessions.map((row) => wellness(row, nowMs));
  const bad = all.filter(({ tone }) => tone === "bad").length;
  const warn = all.filter(({ tone }) => tone === "warn").length;
  const parts = [
    bad > 0 ? `${counted(bad, "call")} in trouble` : "",
    warn > 0 ? `${counted(warn, "call")} to watch` : "",
  ];
  const detail = parts.filter((part) => part !== "").join(", ") || "No call is in trouble";
  const full = overview.sessions.length >= overview.max_sessions;
  if (overview.draining) return { tone: "warn", words: "Draining: takes no new calls", detail };
  if (overview.readiness.status === "not_ready") return { tone: "bad", words: "Takes no new calls", detail };
  if (full) return { tone: "bad", words: "Full: turns callers away", detail };
  if (bad > 0) return { tone: "bad", words: "Takes calls, and callers have trouble", detail };
  if (overview.readiness.status === "degraded")
    return { tone: "warn", words: "Takes calls, but not all parts work", detail };
  return { tone: warn > 0 ? "warn" : "well", words: "Takes calls", detail };
}

const text = (value: unknown) => (typeof value === "string" ? value : "");
const ms = (value: unknown) => formatMs(typeof value === "number" ? value : 0);

/** The pause before a spoken turn's answer, as the caller felt it. */
function pauseOf({ latency_ms: latency, stages }: Happening): number {
  return pauseMs(
    typeof latency === "number" ? latency : 0,
    typeof stages === "object" && stages !== null ? stages : {},
  );
}

/** Words that were said, or how many are hidden. */
export function said(happening: Happening, field: string): string {
  const value = happening[field];
  if (typeof value === "string") return `“${value}”`;
  const hidden = happening.hidden_words ?? 0;
  return hidden === 1 ? "1 word, hidden" : `${hidden} words, hidden`;
}

/** A happening as a sentence. */
export function sentence(happening: Happening): string {
  const of = (field: string) => text(happening[field]).replaceAll("_", " ");
  switch (happening.type) {
    case "connected":
      return "The caller is connected";
    case "disconnected":
      return "The caller’s connection is lost";
    case "transcript":
      return `Caller: ${said(happening, "text")}`;
    case "user_text":
      return `Caller types: ${said(happening, "text")}`;
    case "agent_text":
      return `Agent: ${said(happening, "text")}`;
    case "heard":
      return typeof happening.heard === "string"
        ? `Cut in: “${happening.heard}” was heard, “${text(happening.unheard)}” was not`
        : "Cut in: only part of the answer was heard";
    case "tool_call":
      return `Tool “${of("name")}” gave its result`;
    case "tool_finished":
      return `Tool “${of("name")}” ${happening.failed === true ? "failed after" : "took"} ${ms(happening.duration_ms)}`;
    case "agent":
      return `${text(happening.agent)} takes the call`;
    case "handoff":
      return `Handed over from ${text(happening.from)} to ${text(happening.to)}`;
    case "recording":
      return happening.enabled === true ? "Recording is on" : "Recording is off";
    case "turn":
      return happening.latency_ms === null
        ? `Turn ${happening.turn}: typed`
        : `Turn ${happening.turn}: answered after ${ms(pauseOf(happening))}`;
    case "stt_finished":
      return `Speech recognized in ${ms(happening.duration_ms)}`;
    case "llm_started":
      return `First words of the language model after ${ms(happening.ttft_ms)}`;
    case "tts_started":
      return `First sound of the voice after ${ms(happening.ttfb_ms)}`;
    case "interrupted":
      return `The caller cut in, having heard ${ms(happening.heard_ms)}`;
    case "false_interruption":
      return `Only a noise: the agent paused for ${ms(happening.held_ms)} and went on`;
    case "end_of_turn":
      return "The caller went on speaking after all";
    case "speculation_discarded":
      return "An answer begun too early was thrown away, unheard";
    case "provider_failed":
    case "deadline_missed":
    case "commit_failed": {
      const detail = [happening.stage, happening.kind, happening.state]
        .filter((one) => typeof one === "string")
        .join(" ");
      return troubleWords({ kind: happening.type, detail });
    }
    case "cost_step_taken":
      return `Near the ${of("ceiling")}’s money limit: from now on ${savingWords(text(happening.to))}`;
    case "fallback_to_text":
      return troubleWords({ kind: "fell_back_to_text", detail: "" });
    case "error":
      return `Something that the caller’s page sent was refused: ${of("code")}`;
    case "ended":
      return `The call ended: ${of("outcome")}, ${of("reason")}`;
    case "missed":
      return `Left out, because this page could not keep up: ${happening.count}`;
    default:
      return happening.type.replaceAll("_", " ");
  }
}
