/** The operators' calls. The token goes into a header and nowhere else. */

import type { Audit, Consents, Happening, Overview, Recorded, WhoAmI } from "./model";

const KEY = "voice-agent.operator";
const TIMEOUT_MS = 8_000;

/** A call that was refused (`status` above 0), or not answered at all (0). */
export class AdminError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

/** Anything that went wrong, as a call that did. */
export function adminError(error: unknown): AdminError {
  if (error instanceof AdminError) return error;
  return new AdminError(
    502,
    "senseless",
    "The answer was not understood; what is between may have answered in the server’s place.",
  );
}

/** The token of this tab: a reload keeps it, a closed tab forgets it. */
export function keptToken(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function keepToken(token: string | null): void {
  try {
    if (token === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch {
    // Where nothing can be kept, the token holds as long as the page.
  }
}

async function problem(response: Response): Promise<AdminError> {
  const body: unknown = await response.json().catch(() => null);
  const field = (name: string) => {
    const value = typeof body === "object" && body !== null ? Reflect.get(body, name) : null;
    return typeof value === "string" ? value : "";
  };
  // Operators are told the number: it is in the server's log, and in a proxy's.
  const detail = field("detail") || "It gives no reason; what is between may have answered in its place.";
  return new AdminError(response.status, field("code"), `Error ${response.status}. ${detail}`);
}

/** Who watches a session. */
export interface Watcher {
  /** The server tells from now on what happens, if anything does. */
  opened(): void;
  tell(happening: Happening): void;
}

export class AdminApi {
  constructor(private readonly token: string) {}

  async whoAmI(): Promise<WhoAmI> {
    return (await (await this.call("GET", "/api/admin/whoami")).json()) as WhoAmI;
  }

  async recordings(): Promise<Recorded[]> {
    const answer = (await (await this.call("GET", "/api/admin/recordings")).json()) as { recordings: Recorded[] };
    return answer.recordings;
  }

  /** A recording's file, opened. */
  async recording(name: string): Promise<Blob> {
    const path = name.split("/").map(encodeURIComponent).join("/");
    return (await this.call("GET", `/api/admin/recordings/${path}`, null)).blob();
  }

  async consents(user: string): Promise<Consents> {
    return (await (await this.person("consents", user)).json()) as Consents;
  }

  async exported(user: string): Promise<Blob> {
    return (await this.person("export", user)).blob();
  }

  /** The certificate of the erasure. */
  async erased(user: string): Promise<Blob> {
    return (await this.person("erase", user)).blob();
  }

  async accessLog(): Promise<Audit> {
    return (await (await this.call("GET", "/api/admin/access-log")).json()) as Audit;
  }

  /** A person stands in the body: a path is logged by whatever is between. */
  private person(what: string, user: string): Promise<Response> {
    return this.call("POST", `/api/admin/privacy/${what}`, null, { user_id: user });
  }

  async overview(): Promise<Overview> {
    return (await (await this.call("GET", "/api/admin/sessions")).json()) as Overview;
  }

  async end(id: string): Promise<void> {
    await this.call("DELETE", `/api/admin/sessions/${encodeURIComponent(id)}`);
  }

  async drain(): Promise<void> {
    await this.call("POST", "/api/admin/drain");
  }

  /** The session's log of inputs, and its file's name. */
  async log(id: string): Promise<{ name: string; content: Blob }> {
    const response = await this.call("GET", `/api/admin/sessions/${encodeURIComponent(id)}/log`, null);
    const named = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "");
    return { name: named?.[1] ?? `${id}.jsonl`, content: await response.blob() };
  }

  /**
   * Tells what happened in a session lately and what happens, until it ends (then it resolves) or the connection breaks
   * (then it throws). An EventSource cannot show a token, so the stream is read by hand.
   */
  async watch(id: string, words: boolean, watcher: Watcher, signal: AbortSignal): Promise<void> {
    const path = `/api/admin/sessions/${encodeURIComponent(id)}/events${words ? "?words=true" : ""}`;
    const response = await this.call("GET", path, signal);
    if (response.body === null) throw new AdminError(0, "no_body", "The server sends nothing.");
    watcher.opened();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const lines = new EventLines();
    let last = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      for (const data of lines.take(value)) {
        const happening = JSON.parse(data) as Happening;
        last = happening.type;
        watcher.tell(happening);
      }
    }
    if (last !== "ended") throw new AdminError(0, "cut_off", "The stream broke off.");
  }

  private async call(
    method: string,
    path: string,
    signal: AbortSignal | null = AbortSignal.timeout(TIMEOUT_MS),
    body?: unknown,
  ) {
    let response: Response;
    try {
      const headers = {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      };
      const sent = body === undefined ? null : JSON.stringify(body);
      response = await fetch(path, { method, headers, body: sent, signal, cache: "no-store" });
    } catch {
      throw new AdminError(0, "unreachable", "The server does not answer.");
    }
    if (!response.ok) throw await problem(response);
    return response;
  }
}

/** Takes server-sent events apart, however they are cut on the way. */
export class EventLines {
  private rest = "";

  /** The data of every event that is whole by now. */
  take(chunk: string): string[] {
    const events = (this.rest + chunk).replaceAll("\r\n", "\n").split("\n\n");
    this.rest = events.pop() ?? "";
    const data = events.map((event) =>
      event
        .split("\n")
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trimStart())
        .join("\n"),
    );
    return data.filter((one) => one !== "");
  }
}
