/** The words of docs/protocol.md (`voice-agent.v1`) and of the HTTP API, and a decoder that believes nothing. */

export const PROTOCOL = "voice-agent.v1";

export type AgentState = "listening" | "thinking" | "speaking";

export interface Task {
  id: string;
  title: string;
  status: "open" | "done";
  /** ISO date or date-time. */
  due: string | null;
  priority: "low" | "normal" | "high";
  created_at: string;
  completed_at: string | null;
}

/** The stages that a turn's milliseconds go to, in the order in which they pass. */
export const STAGES = ["endpointing", "stt", "llm", "tool", "tts", "network", "playout"] as const;
export type Stage = (typeof STAGES)[number];

/** A pause that is longer is felt, and gets a named cause, in ms. */
export const PAUSE_MS = 800;

/** The whole pause before an answer, in ms, as the caller felt it: to the first audio, and from there to the ear as far as that is known. */
export function pauseMs(latencyMs: number, stages: Partial<Record<Stage, number>>): number {
  return Math.max(
    latencyMs,
    STAGES.reduce((all, stage) => all + (stages[stage] ?? 0), 0),
  );
}

export interface Turn {
  turn: number;
  /** The answer was spoken; known on the page alone. */
  aloud?: boolean;
  /**
   * From the caller's end of speech to the first agent audio, in ms; null when nobody spoke, or nothing was spoken. The server's ends
   * where the audio leaves it; in the page's state it is the whole pause.
   */
  latency_ms: number | null;
  stages: Record<Stage, number>;
  /** Why it took over 800 ms, if it did. */
  cause: string | null;
  cost_usd: number;
}

export type ServerEvent =
  | {
      type: "ready";
      session_id: string;
      resumed: boolean;
      agent: string;
      /** Whether the caller agreed to recording, and whether this server keeps recordings at all. */
      recording: boolean;
      records: boolean;
      /** Whether this server looks at a shared screen. */
      screens: boolean;
      muted: boolean;
    }
  | { type: "state"; state: AgentState }
  | { type: "user_speaking"; speaking: boolean }
  | { type: "transcript"; utterance_id: number; text: string; final: boolean }
  | { type: "user_text"; text: string }
  | { type: "agent_text"; reply_id: number; speech_id: number; text: string }
  | { type: "speech_started"; speech_id: number; reply_id: number }
  | { type: "speech_finished"; speech_id: number; duration_ms: number }
  | { type: "clear"; speech_id: number }
  | { type: "speech_resumed"; speech_id: number; from_ms: number }
  | { type: "heard"; reply_id: number; heard: string; unheard: string }
  | { type: "tool_call"; name: string; arguments: unknown; result: unknown }
  | { type: "tasks"; tasks: Task[] }
  | { type: "agent"; agent: string }
  | { type: "recording"; enabled: boolean }
  | ({ type: "turn" } & Turn)
  | { type: "fallback_to_text"; message: string }
  | { type: "error"; code: string; message: string }
  | { type: "look"; look_id: number }
  | { type: "hand_over" }
  | { type: "ended"; outcome: string; reason: string }
  | { type: "pong"; t: number };

export type ClientEvent =
  | { type: "text"; text: string }
  | { type: "playout"; speech_id: number; played_ms: number }
  | { type: "mute"; muted: boolean }
  | { type: "consent"; recording: boolean }
  | { type: "screen"; sharing: boolean }
  | { type: "picture"; look_id: number; data: string; last: boolean }
  | { type: "end" }
  | { type: "ping"; t: number };

/** The longest typed message, in characters. */
export const TEXT_LIMIT = 2_000;

type Fields = Record<string, unknown>;

const str = (value: unknown): string => (typeof value === "string" ? value : "");
const num = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
const orNull = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One task as the API sends it, or null when it has no id. */
export function decodeTask(value: unknown): Task | null {
  if (!isFields(value)) return null;
  const id = value.id;
  if (typeof id !== "string" && typeof id !== "number") return null;
  const priority = value.priority;
  return {
    id: String(id),
    title: str(value.title),
    status: value.status === "done" ? "done" : "open",
    due: orNull(value.due),
    priority: priority === "low" || priority === "high" ? priority : "normal",
    created_at: str(value.created_at),
    completed_at: orNull(value.completed_at),
  };
}

export function decodeTasks(value: unknown): Task[] {
  return Array.isArray(value) ? value.map(decodeTask).filter((task) => task !== null) : [];
}

function decodeTurn(fields: Fields): Turn {
  const given = isFields(fields.stages) ? fields.stages : {};
  const stages = Object.fromEntries(STAGES.map((stage) => [stage, num(given[stage])])) as Record<Stage, number>;
  return {
    turn: num(fields.turn),
    latency_ms: fields.latency_ms === null ? null : num(fields.latency_ms),
    stages,
    cause: orNull(fields.cause),
    cost_usd: num(fields.cost_usd),
  };
}

const DECODERS: { [K in ServerEvent["type"]]: (fields: Fields) => Omit<Extract<ServerEvent, { type: K }>, "type"> } = {
  ready: (f) => ({
    session_id: str(f.session_id),
    resumed: f.resumed === true,
    agent: str(f.agent),
    recording: f.recording === true,
    records: f.records === true,
    screens: f.screens === true,
    muted: f.muted === true,
  }),
  state: (f) => ({ state: f.state === "thinking" || f.state === "speaking" ? f.state : "listening" }),
  user_speaking: (f) => ({ speaking: f.speaking === true }),
  transcript: (f) => ({ utterance_id: num(f.utterance_id), text: str(f.text), final: f.final === true }),
  user_text: (f) => ({ text: str(f.text) }),
  agent_text: (f) => ({ reply_id: num(f.reply_id), speech_id: num(f.speech_id), text: str(f.text) }),
  speech_started: (f) => ({ speech_id: num(f.speech_id), reply_id: num(f.reply_id) }),
  speech_finished: (f) => ({ speech_id: num(f.speech_id), duration_ms: num(f.duration_ms) }),
  clear: (f) => ({ speech_id: num(f.speech_id) }),
  speech_resumed: (f) => ({ speech_id: num(f.speech_id), from_ms: num(f.from_ms) }),
  heard: (f) => ({ reply_id: num(f.reply_id), heard: str(f.heard), unheard: str(f.unheard) }),
  tool_call: (f) => ({ name: str(f.name), arguments: f.arguments, result: f.result }),
  tasks: (f) => ({ tasks: decodeTasks(f.tasks) }),
  agent: (f) => ({ agent: str(f.agent) }),
  recording: (f) => ({ enabled: f.enabled === true }),
  turn: decodeTurn,
  fallback_to_text: (f) => ({ message: str(f.message) }),
  error: (f) => ({ code: str(f.code), message: str(f.message) }),
  look: (f) => ({ look_id: num(f.look_id) }),
  hand_over: () => ({}),
  ended: (f) => ({ outcome: str(f.outcome), reason: str(f.reason) }),
  pong: (f) => ({ t: num(f.t) }),
};

/** The farewell of an agent in a room: the close code that a WebSocket would have had. */
export function decodeClosed(text: string): { code: number; reason: string } | null {
  try {
    const fields: unknown = JSON.parse(text);
    if (!isFields(fields) || fields.type !== "closed") return null;
    return { code: num(fields.code), reason: str(fields.reason) };
  } catch {
    return null;
  }
}

/** One text message of the server; null for what this page does not know (a newer server may say more). */
export function decodeEvent(text: string): ServerEvent | null {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isFields(fields) || typeof fields.type !== "string" || !Object.hasOwn(DECODERS, fields.type)) return null;
  const type = fields.type as ServerEvent["type"];
  return { type, ...DECODERS[type](fields) } as ServerEvent;
}
