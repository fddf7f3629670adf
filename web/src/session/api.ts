import { BROKEN, sentenceFor, UNREACHED } from "./problem";
import { decodeTask, decodeTasks, isFields, type Task } from "./protocol";

/** A session and the secret that opens it. */
export interface Credentials {
  sessionId: string;
  token: string;
}

/** How to begin: a new conversation with its consent, or one that was there. */
export type Begin = (
  | { resume: null; recording: boolean; wording: string; userId: string | null }
  /** `withdrawn`: no consent to recording any more. It is never given so. */
  | { resume: Credentials; withdrawn: boolean }
) & {
  /** The bearer token that says who the caller is, where the server asks; then it names the user, and nothing else does. */
  access: string | null;
};

export interface CreatedSession extends Credentials {
  resumed: boolean;
  greeting: string;
}

export interface HistoryLine {
  role: string;
  content: string;
  /** The caller cut it short: it ends where it was heard to. */
  interrupted: boolean;
}

export interface Reply {
  reply: string;
  agent: string;
  toolCalls: { name: string; arguments: unknown; result: unknown }[];
}

/** The fields of a task that a person can change. */
export interface TaskFields {
  title?: string;
  status?: Task["status"];
  due?: string | null;
  priority?: Task["priority"];
}

/** A call that was answered with an error (`status` above 0) or not at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** From `Retry-After`, in seconds. */
    readonly retryAfterS: number | null = null,
    /** The problem's word for programs, as `full`. */
    readonly code = "",
  ) {
    super(message);
  }

  get unreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

const TIMEOUT_MS = 15_000;
/** A reply by text may wait for a language model. */
const REPLY_TIMEOUT_MS = 45_000;

/** What the page does not say is in the console, for whoever is asked about it. */
function note(what: string, detail: string): void {
  console.warn(`${what}: ${detail}`);
}

async function problemOf(what: string, response: Response): Promise<ApiError> {
  let detail = "";
  let code = "";
  try {
    const problem: unknown = await response.json();
    if (isFields(problem)) {
      detail = String(problem.detail ?? problem.title ?? "");
      code = String(problem.code ?? "");
    }
  } catch {
    // A proxy's error page is no JSON; the status alone says enough.
  }
  note(what, `${response.status} ${code} ${detail}`);
  const seconds = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  const sentence = sentenceFor(response.status, code);
  return new ApiError(response.status, sentence, Number.isFinite(seconds) ? seconds : null, code);
}

/** An answer that is none. */
function senseless(status: number, detail: string): ApiError {
  note("The server's answer", detail);
  return new ApiError(status, BROKEN);
}

async function call(method: string, path: string, token: string | null, body?: unknown, timeoutMs = TIMEOUT_MS) {
  const headers: Record<string, string> = { accept: "application/json" };
  if (token !== null) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
      cache: "no-store",
      // Whoever ends a conversation and leaves has ended it.
      keepalive: method === "DELETE",
    });
  } catch (error) {
    note(`${method} ${path}`, String(error));
    throw new ApiError(0, UNREACHED);
  }
  if (!response.ok) throw await problemOf(`${method} ${path}`, response);
  if (response.status === 204) return null;
  try {
    return (await response.json()) as unknown;
  } catch {
    throw senseless(response.status, "it could not be read");
  }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return isFields(value) ? value : {};
}

const sessionPath = (sessionId: string) => `/api/sessions/${encodeURIComponent(sessionId)}`;

/** The HTTP calls of the server, each throwing `ApiError`. */
export const api = {
  /** A new session, or the one that the credentials open. */
  async createSession(begin: Begin): Promise<CreatedSession> {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const named = begin.resume === null && begin.access === null && begin.userId !== null;
    const body = {
      channel: "browser",
      // Some systems know no zone and say so with this name, which is none.
      ...(zone === undefined || zone === "Etc/Unknown" ? {} : { time_zone: zone }),
      ...(begin.resume === null
        ? {
            recording_consent: begin.recording,
            consent_wording: begin.wording,
            ...(named ? { user_id: begin.userId } : {}),
          }
        : {
            session_id: begin.resume.sessionId,
            token: begin.resume.token,
            ...(begin.withdrawn ? { recording_consent: false } : {}),
          }),
    };
    const answer = fieldsOf(await call("POST", "/api/sessions", begin.access, body));
    if (typeof answer.session_id !== "string" || typeof answer.token !== "string") {
      throw senseless(201, "it names no session");
    }
    return {
      sessionId: answer.session_id,
      token: answer.token,
      resumed: answer.resumed === true,
      greeting: typeof answer.greeting === "string" ? answer.greeting : "",
    };
  },

  async history(session: Credentials): Promise<HistoryLine[]> {
    const answer = fieldsOf(await call("GET", sessionPath(session.sessionId), session.token));
    const lines = Array.isArray(answer.conversation_history) ? answer.conversation_history : [];
    const cut = fieldsOf(fieldsOf(answer.context).voice_core).interrupted;
    const isCut = (at: number) => Array.isArray(cut) && cut.includes(at);
    return lines.map((given, at) => {
      const line = fieldsOf(given);
      return { role: String(line.role), content: String(line.content ?? ""), interrupted: isCut(at) };
    });
  },

  async sendText(session: Credentials, text: string): Promise<Reply> {
    const path = `${sessionPath(session.sessionId)}/messages`;
    const answer = fieldsOf(await call("POST", path, session.token, { text }, REPLY_TIMEOUT_MS));
    const calls = Array.isArray(answer.tool_calls) ? answer.tool_calls.filter(isFields) : [];
    return {
      reply: String(answer.reply ?? ""),
      agent: String(answer.agent ?? ""),
      toolCalls: calls.map((tool) => ({ name: String(tool.name), arguments: tool.arguments, result: tool.result })),
    };
  },

  async endSession(session: Credentials): Promise<void> {
    await call("DELETE", sessionPath(session.sessionId), session.token);
  },

  /** A LiveKit room for this session, where the server has rooms. */
  async roomToken(session: Credentials): Promise<{ url: string; token: string }> {
    const answer = fieldsOf(await call("GET", "/api/livekit/token", session.token));
    if (typeof answer.url !== "string" || typeof answer.token !== "string") {
      throw senseless(200, "it names no room");
    }
    return { url: answer.url, token: answer.token };
  },

  async tasks(session: Credentials): Promise<Task[]> {
    return decodeTasks(await call("GET", "/api/tasks", session.token));
  },

  async addTask(session: Credentials, fields: TaskFields): Promise<Task> {
    return taskOf(await call("POST", "/api/tasks", session.token, fields));
  },

  async changeTask(session: Credentials, id: string, fields: TaskFields): Promise<Task> {
    return taskOf(await call("PATCH", `/api/tasks/${encodeURIComponent(id)}`, session.token, fields));
  },

  async deleteTask(session: Credentials, id: string): Promise<void> {
    await call("DELETE", `/api/tasks/${encodeURIComponent(id)}`, session.token);
  },

  async restoreTask(session: Credentials, id: string): Promise<Task> {
    return taskOf(await call("POST", `/api/tasks/${encodeURIComponent(id)}/restore`, session.token));
  },
};

function taskOf(value: unknown): Task {
  const task = decodeTask(value);
  if (task === null) throw senseless(200, "it is no task");
  return task;
}
