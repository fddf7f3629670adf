import type { HistoryLine } from "./api";
import { type OverReason, reasonOf } from "./close-codes";
import { pauseMs, type ServerEvent, type Task, type Turn } from "./protocol";
import {
  initialState,
  LINES_KEPT,
  type Line,
  type Link,
  type Microphone,
  type MicrophoneChoice,
  type Pending,
  type Screen,
  type SessionState,
  type TalkMode,
  TURNS_KEPT,
  type Undo,
} from "./state";
import type { Mode } from "./storage";

/** Everything that can happen to the page. */
export type Action =
  | { type: "server"; event: ServerEvent }
  | { type: "reset" }
  | { type: "starting"; mode: Mode }
  | { type: "session_open"; recording: boolean }
  | { type: "full"; retryAtMs: number; message: string; busy: boolean }
  | { type: "refused"; status: number; message: string; retryAtMs: number | null }
  | { type: "over"; reason: OverReason; detail: string }
  | { type: "link"; link: Link }
  | { type: "microphone"; microphone: Microphone }
  | { type: "microphones"; microphones: MicrophoneChoice[] }
  | { type: "microphone_chosen"; id: string }
  | { type: "mode"; mode: Mode }
  | { type: "muted"; muted: boolean }
  | { type: "talk_mode"; talkMode: TalkMode }
  | { type: "held"; held: boolean }
  | { type: "sound"; sound: boolean }
  | { type: "sound_blocked"; blocked: boolean }
  | { type: "history"; lines: HistoryLine[]; anew?: boolean }
  | { type: "draft"; text: string }
  | { type: "typed"; text: string; sent: boolean }
  | { type: "typed_sent"; key: string }
  | { type: "typed_back"; key: string }
  | { type: "said"; who: Line["who"]; text: string }
  | { type: "sending"; sending: boolean }
  | { type: "rtt"; rttMs: number }
  | { type: "tasks"; tasks: Task[] }
  | { type: "task_saved"; task: Task }
  | { type: "task_gone"; id: string }
  | { type: "records"; records: boolean }
  | { type: "screen"; screen: Screen }
  | { type: "looked"; atMs: number }
  | { type: "notice"; notice: string | null; untilOpen?: boolean }
  | { type: "undo"; undo: Undo | null };

/** What the page shows after something happened. Pure: the same state and action always give the same state. */
export function reduce(state: SessionState, action: Action): SessionState {
  switch (action.type) {
    case "server":
      return handleServer(state, action.event);
    case "reset":
      return { ...initialState(), ...lasting(state) };
    case "starting":
      return { ...initialState(), ...lasting(state), mode: action.mode, phase: { name: "starting" } };
    case "session_open":
      return { ...state, phase: { name: "live" }, recording: action.recording };
    case "full":
      return handleFull(state, action);
    case "refused":
      return handleRefused(state, action);
    case "over":
      return handleOver(state, action.reason, action.detail);
    case "link":
      return handleLink(state, action.link);
    case "microphone":
      return { ...state, microphone: action.microphone, held: false };
    case "microphones":
      return { ...state, microphones: action.microphones };
    case "microphone_chosen":
      return { ...state, microphoneId: action.id };
    case "mode":
      return { ...state, mode: action.mode };
    case "muted":
      return { ...state, muted: action.muted, held: false, userSpeaking: false };
    case "talk_mode":
      return { ...state, talkMode: action.talkMode, held: false, muted: false, userSpeaking: false };
    case "held":
      return state.held === action.held ? state : { ...state, held: action.held };
    case "sound":
      return { ...state, sound: action.sound };
    case "sound_blocked":
      return { ...state, soundBlocked: action.blocked, held: state.held && !action.blocked };
    case "history":
      return handleHistory(
        action.anew === true && action.lines.length > 0 ? { ...state, lines: [] } : state,
        action.lines,
      );
    case "draft":
      return { ...state, draft: action.text };
    case "typed":
      return withTyped(state, action);
    case "typed_sent":
      return { ...state, pending: state.pending.map((one) => (one.key === action.key ? { ...one, sent: true } : one)) };
    case "typed_back":
      return withTypedBack(state, (one) => one.key === action.key);
    case "said":
      return addLine(state, { who: action.who, text: action.text });
    case "sending":
      return { ...state, sending: action.sending, agentState: action.sending ? "thinking" : "listening" };
    case "rtt":
      return { ...state, rttMs: action.rttMs };
    case "tasks":
      return withTasks(state, action.tasks);
    case "task_saved":
      return withTasks(state, upsert(state.tasks, action.task));
    case "task_gone":
      return withTasks(
        state,
        state.tasks.filter((task) => task.id !== action.id),
      );
    case "screen":
      return { ...state, screen: action.screen, lookedAtMs: action.screen === "on" ? state.lookedAtMs : null };
    case "looked":
      return { ...state, lookedAtMs: action.atMs };
    case "records":
      return { ...state, records: action.records };
    case "notice":
      return { ...state, notice: action.notice, noticeUntilOpen: action.untilOpen === true };
    case "undo":
      return { ...state, undo: action.undo };
  }
}

function handleServer(state: SessionState, event: ServerEvent): SessionState {
  switch (event.type) {
    case "ready":
      return handleReady(state, event);
    case "state":
      return { ...state, agentState: event.state };
    case "user_speaking":
      return { ...state, userSpeaking: event.speaking };
    case "transcript":
      return withTranscript(state, event);
    case "user_text":
      return addLine(taken(state, event.text), { who: "you", text: event.text });
    case "agent_text":
      return withAgentText(state, event.reply_id, event.text);
    case "heard":
      return withHeard(state, event.reply_id, event.heard, event.unheard);
    case "tasks":
      return withTasks(state, event.tasks);
    case "agent":
      return { ...state, agent: event.agent };
    case "recording":
      return { ...state, recording: event.enabled };
    case "turn": {
      const { type: _, ...turn } = event;
      return withTurn(state, asHeard(state, turn));
    }
    case "fallback_to_text":
      // Nobody listens to a button that is held any more.
      return { ...state, fallback: event.message, agentState: "listening", held: false };
    case "error":
      return withRefusal(state, event);
    case "hand_over":
      // What the server had not taken by then goes to the next one.
      return { ...state, pending: state.pending.map((one) => ({ ...one, sent: false })), refusals: 0 };
    case "ended":
      return handleOver(state, reasonOf(event.reason), event.reason);
    case "speech_started":
      return { ...state, fallback: null, spokenReply: event.reply_id };
    case "speech_resumed":
      // Speech that comes again says that the voice is back.
      return state.fallback === null ? state : { ...state, fallback: null };
    case "speech_finished":
    case "clear":
    case "tool_call":
    case "look":
    case "pong":
      return state;
  }
}

/** What belongs to the person, the device and the server, not to one conversation. */
function lasting(state: SessionState): Partial<SessionState> {
  const { mode, talkMode, microphones, microphoneId, records } = state;
  return { mode, talkMode, microphones, microphoneId, records, draft: typedOf(state) };
}

/** What waits for the connection, oldest first. */
export function unsentOf(pending: Pending[]): string[] {
  return pending.filter(({ sent }) => !sent).map(({ text }) => text);
}

/** All that was typed and never left this page: what waits for the connection, and what is in the text box. */
function typedOf({ pending, draft }: SessionState): string {
  return [...unsentOf(pending), draft].filter((text) => text.trim() !== "").join(" ");
}

function handleFull(
  state: SessionState,
  { retryAtMs, message, busy }: Extract<Action, { type: "full" }>,
): SessionState {
  return { ...quiet(state), phase: { name: "full", retryAtMs, message, busy } };
}

function handleRefused(
  state: SessionState,
  { status, message, retryAtMs }: Extract<Action, { type: "refused" }>,
): SessionState {
  return { ...quiet(state), phase: { name: "refused", status, message, retryAtMs } };
}

/**
 * A connection is there. A session that was restored counts on from its last saved turn: ids of a turn that was lost
 * may come again, and must not be taken for the old lines.
 */
function handleReady(state: SessionState, ready: Extract<ServerEvent, { type: "ready" }>): SessionState {
  const settle = (line: Line, i: number): Line => ({
    ...line,
    key: `past-${state.nextKey}-${i}`,
    replyId: null,
    pastReplyId: line.replyId,
  });
  return {
    ...state,
    agent: ready.agent,
    // With a new connection the server listens again, until it says otherwise.
    fallback: null,
    recording: ready.recording,
    records: ready.records,
    screens: ready.screens,
    link: { name: "open" },
    notice: state.noticeUntilOpen ? null : state.notice,
    noticeUntilOpen: false,
    lines: state.lines.filter((line) => !line.interim).map(settle),
    nextKey: state.nextKey + 1,
  };
}

/** Nothing moves any more: no half-understood words, nobody speaking. */
function quiet(state: SessionState): SessionState {
  return {
    ...state,
    lines: state.lines.filter((line) => !line.interim),
    agentState: "listening",
    userSpeaking: false,
    held: false,
    sending: false,
  };
}

function handleOver(state: SessionState, reason: OverReason, detail: string): SessionState {
  // The close that follows `ended` brings no better reason, and must not wipe the first.
  if (state.phase.name === "over") return state;
  const link: Link = { name: "idle" };
  const draft = typedOf(state);
  const phase = { name: "over", reason, detail } as const;
  return { ...quiet(state), phase, link, recording: false, undo: null, pending: [], refusals: 0, draft };
}

function handleLink(state: SessionState, link: Link): SessionState {
  if (link.name === "open" || link.name === "connecting") return { ...state, link };
  // What goes by HTTP is not lost with a socket.
  const left = state.sending ? quiet(state) : lostOnTheWay(quiet(state));
  return { ...left, link, sending: state.sending, rttMs: null };
}

/** Messages that were on their way when the connection went: nobody knows whether they arrived. */
function lostOnTheWay(state: SessionState): SessionState {
  const lost = state.pending.filter(({ sent }) => sent).map(({ text }) => `“${text}”`);
  if (lost.length === 0) return state;
  const pending = state.pending.filter(({ sent }) => !sent);
  const [named, them] = [lost.join(", "), lost.length === 1 ? "it" : "them"];
  const notice = `${named} may not have arrived. Look before you send ${them} again.`;
  return { ...state, pending, refusals: 0, notice };
}

/** The errors that mean a typed message was not taken. */
const NOT_TAKEN: ReadonlySet<string> = new Set(["too_many_messages", "text_length"]);

/** Something that was sent is refused. Where it is a message, the words of the others that are on their way stay where they are. */
function withRefusal(state: SessionState, { code, message }: Extract<ServerEvent, { type: "error" }>): SessionState {
  const notice = message || "The server took no notice of what was sent last.";
  const isMessage = NOT_TAKEN.has(code) && state.pending.some(({ sent }) => sent);
  if (!isMessage) return { ...state, notice };
  const next = { ...state, refusals: state.refusals + 1 };
  return settleRefusals({ ...next, notice: `${notice} What was not taken comes back to the text box.` });
}

/** An error names no message. When as many are on their way as were refused, it is those, and their words come back. */
function settleRefusals(state: SessionState): SessionState {
  if (state.refusals === 0 || state.pending.filter(({ sent }) => sent).length > state.refusals) return state;
  return withTypedBack({ ...state, refusals: 0 }, ({ sent }) => sent);
}

function withTyped(state: SessionState, { text, sent }: Extract<Action, { type: "typed" }>): SessionState {
  const pending = [...state.pending, { key: `pending-${state.nextKey}`, text, sent }];
  return { ...state, pending, nextKey: state.nextKey + 1 };
}

/** These messages could not be sent: their words go back to the text box, before what is typed there now. */
function withTypedBack(state: SessionState, isBack: (one: Pending) => boolean): SessionState {
  const back = state.pending.filter(isBack).map(({ text }) => text);
  const draft = [...back, state.draft].filter((text) => text !== "").join(" ");
  return { ...state, pending: state.pending.filter((one) => !isBack(one)), draft };
}

/** The server has taken a typed message: it is on its way no longer. Messages are taken in their order, so those before it are not. */
function taken(state: SessionState, text: string): SessionState {
  const at = state.pending.findIndex((one) => one.sent && one.text.trim() === text.trim());
  if (at < 0) return state;
  const before = state.pending.slice(0, at).filter(({ sent }) => sent);
  const refused = before.slice(0, state.refusals);
  const left = { ...state, pending: state.pending.toSpliced(at, 1), refusals: state.refusals - refused.length };
  return settleRefusals(withTypedBack(left, (one) => refused.includes(one)));
}

/** A turn as it was heard here: `latency_ms` ends where the first audio leaves the server, and the stages go on to the ear. */
function asHeard(state: SessionState, turn: Turn): Turn {
  const aloud = state.spokenReply !== null;
  return { ...turn, aloud, latency_ms: turn.latency_ms === null ? null : pauseMs(turn.latency_ms, turn.stages) };
}

function withTurn(before: SessionState, turn: Turn): SessionState {
  const state = { ...before, spokenReply: null };
  const known = state.turns.find((old) => old.turn === turn.turn);
  return {
    ...state,
    turns: [turn, ...state.turns.filter((old) => old !== known)].slice(0, TURNS_KEPT),
    turnCount: state.turnCount + (known === undefined ? 1 : 0),
    spentUsd: state.spentUsd + turn.cost_usd - (known?.cost_usd ?? 0),
  };
}

function handleHistory(state: SessionState, history: HistoryLine[]): SessionState {
  if (state.lines.length > 0) return state;
  const spoken = history.filter((line) => line.content !== "" && (line.role === "user" || line.role === "assistant"));
  return spoken.slice(-LINES_KEPT).reduce((next, { role, content, interrupted }) => {
    // Which words were cut off is not kept; that some were, is.
    const unheard = interrupted ? "" : null;
    return addLine(next, { who: role === "user" ? "you" : "agent", text: content, unheard });
  }, state);
}

function addLine(state: SessionState, line: Pick<Line, "who" | "text"> & Partial<Line>): SessionState {
  if (line.text.trim() === "") return state;
  const full: Line = {
    key: `line-${state.nextKey}`,
    interim: false,
    unheard: null,
    replyId: null,
    pastReplyId: null,
    ...line,
  };
  return { ...state, nextKey: state.nextKey + 1, lines: [...state.lines, full].slice(-LINES_KEPT) };
}

function withTranscript(state: SessionState, event: Extract<ServerEvent, { type: "transcript" }>): SessionState {
  const key = `utterance-${event.utterance_id}`;
  const known = state.lines.some((line) => line.key === key);
  if (event.text.trim() === "") {
    // Nothing was said after all (a cough): the interim words go.
    return known ? { ...state, lines: state.lines.filter((line) => line.key !== key) } : state;
  }
  if (!known) return addLine(state, { who: "you", key, text: event.text, interim: !event.final });
  const replace = (line: Line) => (line.key === key ? { ...line, text: event.text, interim: !event.final } : line);
  return { ...state, lines: state.lines.map(replace) };
}

function joinWords(before: string, after: string): string {
  return before === "" || /\s$/.test(before) || /^\s/.test(after) ? before + after : `${before} ${after}`;
}

function withAgentText(state: SessionState, replyId: number, text: string): SessionState {
  const known = state.lines.some((line) => line.replyId === replyId);
  if (!known) {
    // A new connection is told the caption of the reply that goes on, from its beginning: that line stands already.
    const again = (line: Line) => line.pastReplyId === replyId && line.unheard === null && text.startsWith(line.text);
    const at = state.lines.findLastIndex((line) => line.who === "agent");
    const last = state.lines[at];
    if (last === undefined || !again(last)) return addLine(state, { who: "agent", text, replyId });
    return { ...state, lines: state.lines.with(at, { ...last, text, replyId, pastReplyId: null }) };
  }
  const append = (line: Line) => (line.replyId === replyId ? { ...line, text: joinWords(line.text, text) } : line);
  return { ...state, lines: state.lines.map(append) };
}

function withHeard(state: SessionState, replyId: number, heard: string, unheard: string): SessionState {
  const cut = unheard.trim() === "" ? null : unheard;
  if (heard.trim() === "") {
    // It was thrown away before a word of it was heard.
    return { ...state, lines: state.lines.filter((line) => line.replyId !== replyId) };
  }
  const split = (line: Line) => (line.replyId === replyId ? { ...line, text: heard, unheard: cut } : line);
  return { ...state, lines: state.lines.map(split) };
}

function upsert(tasks: Task[], task: Task): Task[] {
  const known = tasks.some((old) => old.id === task.id);
  if (known) return tasks.map((old) => (old.id === task.id ? task : old));
  // The server's order. What came back by undo stands where it stood; of tasks of the same moment the new one is last.
  const later = tasks.findIndex((old) => Date.parse(old.created_at) > Date.parse(task.created_at));
  return later < 0 ? [...tasks, task] : tasks.toSpliced(later, 0, task);
}

function withTasks(state: SessionState, tasks: Task[]): SessionState {
  const before = new Map(state.tasks.map((task) => [task.id, JSON.stringify(task)]));
  const fresh = tasks.filter((task) => before.get(task.id) !== JSON.stringify(task)).map((task) => task.id);
  // The first list is no news, nor is another list altogether: only what changes before the caller's eyes is pointed out.
  const news = state.tasksLoaded && (fresh.length <= 3 || fresh.length < tasks.length);
  return { ...state, tasks, tasksLoaded: true, changed: news ? fresh : [] };
}
