// The operators' calls of the mock server: `world.admin` is what they tell, and notes what was asked.

export const OPERATOR = "the-operators-token";
export const AUDITOR = "the-auditors-token";
export const PRIVACY = "the-privacy-token";

const ROLES = {
  [OPERATOR]: { role: "operator", calls: ["WhoAmI", "Sessions", "Words"] },
  [AUDITOR]: { role: "auditor", calls: ["WhoAmI", "Recordings", "Consents", "AccessLog"] },
  [PRIVACY]: {
    role: "privacy",
    calls: ["WhoAmI", "Recordings", "Recording", "Consents", "AccessLog", "Export", "Erase"],
  },
};

const ago = (ms) => new Date(Date.now() - ms).toISOString();

export function row(id, fields = {}) {
  return {
    session_id: id,
    user_id: "ada",
    channel: "browser",
    started_at: ago(95_000),
    agent: "TaskAgent",
    state: "listening",
    connected: true,
    turns: 3,
    last_latency_ms: 420,
    cost_usd: 0.0031,
    state_since: ago(900),
    alone_since: null,
    trouble: null,
    troubles: 0,
    ...fields,
  };
}

/** A night in which much goes wrong. */
export function badNight() {
  return {
    draining: false,
    input_log: true,
    max_sessions: 50,
    readiness: {
      status: "degraded",
      reasons: [{ part: "store", reason: "commits take longer than they should" }],
    },
    rejected: { full: 3, draining: 0, starting: 0, store: 1 },
    sessions: [
      row("5a1c09ffe2b7d340"),
      row("77d0e1aa42c9b6f1", { channel: "phone", user_id: "phone:…567", last_latency_ms: 1_310, troubles: 1 }),
      row("b3c4d5e6f7081920", { state: "thinking", state_since: ago(7_400), user_id: "grace", troubles: 2 }),
      row("c90b12aa34de56f7", {
        user_id: "linus",
        trouble: { kind: "provider_failed", detail: "stt timeout", at: ago(21_000) },
        troubles: 4,
      }),
      row("d81e77f0a2b3c4d5", { connected: false, alone_since: ago(34_000), user_id: "barbara" }),
    ],
    happenings: [
      { type: "connected" },
      { type: "transcript", utterance_id: 1, text: "call my doctor", final: true },
      { type: "stt_finished", duration_ms: 64 },
      { type: "provider_failed", stage: "llm", kind: "timeout", trouble: true },
      { type: "llm_started", request: 2, ttft_ms: 905 },
      { type: "handoff", from: "TaskAgent", to: "ReviewAgent" },
      {
        type: "turn",
        turn: 1,
        latency_ms: 1_310,
        cause: "llm",
        cost_usd: 0.001,
        stages: { endpointing: 210, stt: 64, llm: 905, tool: 4, tts: 71, network: 14, playout: 42 },
        trouble: true,
      },
    ],
  };
}

const OWNER = "3f9a1c77d0e1aa42c9b6f15a1c09ffe2";

/** A recorded call in two parts, the second still on its way to the storage. */
export function recordings() {
  const file = (name, kind, bytes, minutes, waiting) => ({
    name: `${OWNER}/77d0e1aa42c9b6f1/${name}`,
    owner: OWNER,
    session_id: "77d0e1aa42c9b6f1",
    begun: ago(minutes * 60_000),
    kind,
    bytes,
    waiting,
  });
  return [
    file("1.ogg.sealed", "sound", 2_412_000, 90, false),
    file("1.jsonl.sealed", "words", 8_210, 90, false),
    file("2.ogg.sealed", "sound", 310_500, 12, true),
  ];
}

function accessLog() {
  const line = (n, minutes, role, action, of) => ({ n, at: ago(minutes * 60_000), role, action, user: OWNER, of });
  const lines = [
    line(41, 300, "operator", "read_words", "77d0e1aa42c9b6f1"),
    line(42, 95, "privacy", "read_recording", `${OWNER}/77d0e1aa42c9b6f1/1.ogg.sealed`),
    line(43, 2, "auditor", "read_consents", ""),
  ];
  const sealed = [{ log: "access-2.jsonl", at: ago(8e8), role: "auditor", reason: "the disk was full" }];
  return { audit: { logs: 2, lines: 43, findings: [], sealed }, lines };
}

const send = (response, status, body) => {
  response.writeHead(status, { "content-type": status < 400 ? "application/json" : "application/problem+json" });
  response.end(body === null ? undefined : JSON.stringify(body));
};

function hide(happening) {
  if (happening.text === undefined) return happening;
  return { ...happening, text: null, hidden_words: happening.text.split(" ").length };
}

/** Answers `/api/admin/…`. */
export function admin(world, request, response, path) {
  const told = world.admin;
  const problem = (status, code, detail) => send(response, status, { status, code, detail });
  if (told === null) return problem(404, "admin_off", "Operators' calls are off. ADMIN_TOKEN switches them on.");
  const who = ROLES[(request.headers.authorization ?? "").replace(/^Bearer /, "")];
  if (who === undefined || told.revoked === true) return problem(401, "unauthorized", "Nobody's token.");
  if (told.broken === true) return problem(500, "internal", "This is a defect of the server; its log says more.");
  if (path === "/api/admin/whoami") return send(response, 200, { ...who, records: told.records ?? false });
  if (path === "/api/admin/recordings") return send(response, 200, { recordings: told.recordings ?? [] });
  if (path === "/api/admin/access-log") return send(response, 200, accessLog());
  if (path === "/api/admin/privacy/consents")
    return send(response, 200, { opted_out: true, consents: [{ at: ago(86_400_000), decision: "refused" }] });
  const [, , , , id, sub] = path.split("/");
  if (path === "/api/admin/drain") {
    told.draining = true;
    return send(response, 200, { draining: true });
  }
  if (id === undefined) {
    const { happenings, asked, ...overview } = told;
    return send(response, 200, { ...overview, now: ago(0), instance: "8f2c11d09ab34e57", version: "0.1.0" });
  }
  if (!told.sessions.some((one) => one.session_id === id)) return problem(404, "no_such_session", "There is none.");
  if (request.method === "DELETE") {
    told.sessions = told.sessions.filter((one) => one.session_id !== id);
    return send(response, 204, null);
  }
  if (sub === "log") {
    response.writeHead(200, { "content-disposition": `attachment; filename="${id}-20261124T030000000Z.jsonl"` });
    return response.end("{}\n");
  }
  const words = request.url.endsWith("?words=true");
  told.asked = [...(told.asked ?? []), words];
  if (words && told.log_broken === true) return problem(503, "access_log", "The access log cannot be written.");
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.flushHeaders();
  told.happenings.forEach((one, at) => {
    const happening = { ...(words ? one : hide(one)), number: at + 1, at: ago((told.happenings.length - at) * 1_400) };
    response.write(`data: ${JSON.stringify(happening)}\n\n`);
  });
}
