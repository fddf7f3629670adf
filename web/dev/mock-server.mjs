// A stand-in for the server: the HTTP API, the voice protocol, the built page with a strict policy, and faults on demand.
//
//   node dev/mock-server.mjs            PORT (8080), MOCK_STATE (a file that survives a kill), MOCK_SAID (what is "heard")
//   POST /mock {"close": 4001}          also: full, starting, refuse_socket, records, fallback, drop, mic_said, error, auth,
//                                     broken (a defect: every call is a 500),
//                                     move_ms (a planned stop: the next process takes the session after so long)

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { admin } from "./mock-admin.mjs";
import { MockCall, understand } from "./mock-agent.mjs";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
  "worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const SAID = "Add a task to review the proposal by Friday.";

class Problem extends Error {
  constructor(status, detail, headers = {}, code = "refused") {
    super(detail);
    Object.assign(this, { status, headers, code });
  }
}

/** Sessions and tasks, kept in a file if one is named. */
class World {
  constructor(statePath, said) {
    this.statePath = statePath;
    this.said = said;
    this.sessions = new Map();
    this.tasks = new Map();
    this.deleted = new Map();
    this.faults = {
      full: false,
      starting: false,
      refuse_socket: false,
      auth: "none",
      records: false,
      screens: false,
      awayUntil: 0,
      broken: false,
    };
    this.counts = { frames: 0, playout: [], events: [] };
    this.live = new Set();
    /** What operators are told; null while their calls are off. */
    this.admin = null;
    this.bootId = randomBytes(4).toString("hex");
    if (statePath === undefined || !existsSync(statePath)) return;
    const saved = JSON.parse(readFileSync(statePath, "utf8"));
    this.sessions = new Map(saved.sessions);
    this.tasks = new Map(saved.tasks);
  }

  save() {
    if (this.statePath === undefined) return;
    writeFileSync(this.statePath, JSON.stringify({ sessions: [...this.sessions], tasks: [...this.tasks] }));
  }

  tasksOf(userId) {
    return this.tasks.get(userId) ?? [];
  }

  /** The time, later than any that was told before: as on the server, whose clock is finer, no two tasks begin at once. */
  stamp() {
    this.lastMs = Math.max(Date.now(), (this.lastMs ?? 0) + 1);
    return new Date(this.lastMs).toISOString();
  }

  addTask(userId, { title, due = null, priority = "normal" }) {
    const task = {
      id: randomBytes(5).toString("hex"),
      title,
      status: "open",
      due,
      priority,
      created_at: this.stamp(),
      completed_at: null,
    };
    this.setTasks(userId, [...this.tasksOf(userId), task]);
    return task;
  }

  patchTask(userId, id, fields) {
    const old = this.tasksOf(userId).find((task) => task.id === id);
    if (old === undefined) throw new Problem(404, "There is no such task.");
    const task = { ...old, ...fields };
    task.completed_at = task.status === "done" ? new Date().toISOString() : null;
    this.setTasks(
      userId,
      this.tasksOf(userId).map((one) => (one.id === id ? task : one)),
    );
    return task;
  }

  deleteTask(userId, id) {
    const old = this.tasksOf(userId).find((task) => task.id === id);
    if (old === undefined) throw new Problem(404, "There is no such task.");
    this.setTasks(
      userId,
      this.tasksOf(userId).filter((task) => task.id !== id),
    );
    this.deleted.set(id, old);
  }

  restoreTask(userId, id) {
    const task = this.deleted.get(id);
    if (task === undefined) throw new Problem(404, "You deleted no task with this id.");
    this.setTasks(userId, [...this.tasksOf(userId), task]);
    return task;
  }

  /** In the server's order: by when they were made, whatever changed since. */
  setTasks(userId, unordered) {
    const key = ({ created_at, id }) => `${created_at} ${id}`;
    const tasks = unordered.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
    this.tasks.set(userId, tasks);
    this.save();
    for (const call of this.live) if (call.session.userId === userId) call.send({ type: "tasks", tasks });
  }

  /** As the server's `AUTH=jwt`: the token proves the user, and a claimed one must be the same. Nothing is verified here. */
  provenUser(request, body) {
    if (this.faults.auth !== "jwt") return undefined;
    const token = (request.headers.authorization ?? "").replace(/^Bearer /, "");
    if (token === "") throw new Problem(401, "A bearer token is needed.", {}, "unauthorized");
    let user;
    try {
      user = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url")).sub;
    } catch {
      throw new Problem(401, "The bearer token is not valid.", {}, "unauthorized");
    }
    if (body.user_id !== undefined && body.user_id !== user)
      throw new Problem(403, "user_id is not the user of the bearer token.", {}, "not_your_user");
    return user;
  }

  openSession(body, provenUser) {
    if (this.faults.full)
      throw new Problem(503, "As many calls as this server takes are going on.", { "retry-after": "30" }, "full");
    if (this.faults.starting)
      throw new Problem(503, "This server takes no new sessions now.", { "retry-after": "1" }, "not_ready");
    if (body.session_id !== undefined) {
      const known = this.sessions.get(body.session_id);
      if (known === undefined) throw new Problem(404, "There is no such session.");
      if (known.token !== body.token) throw new Problem(401, "The token is not this session's.");
      // As on the server, it can be withdrawn so, and never given.
      if (body.recording_consent === false) known.recording = false;
      known.resumed = true;
      known.bootId = this.bootId;
      return known;
    }
    const session = {
      id: randomBytes(8).toString("hex"),
      token: randomBytes(16).toString("hex"),
      userId: provenUser ?? body.user_id ?? `anonymous:${randomBytes(4).toString("hex")}`,
      recording: body.recording_consent === true,
      agent: "TaskAgent",
      bootId: this.bootId,
      resumed: false,
      history: [],
      /** Indexes of what was cut short in the history. */
      interrupted: [],
      speeches: 0,
      utterances: 0,
      turns: 0,
    };
    this.sessions.set(session.id, session);
    this.save();
    return session;
  }

  bearer(request) {
    const token = (request.headers.authorization ?? "").replace(/^Bearer /, "");
    const session = [...this.sessions.values()].find((one) => one.token === token);
    if (session === undefined) throw new Problem(401, "A session's token is needed.");
    return session;
  }

  inject(fault) {
    for (const name of ["full", "starting", "refuse_socket", "auth", "records", "screens", "greeting", "broken"])
      if (name in fault) this.faults[name] = fault[name];
    if (fault.mic_said !== undefined) this.said = fault.mic_said;
    if (fault.move_ms !== undefined) this.faults.awayUntil = Date.now() + fault.move_ms;
    for (const call of this.live) {
      if (fault.move_ms !== undefined) call.moveOn();
      if (fault.close !== undefined) call.socket.close(fault.close);
      if (fault.drop === true) call.socket.terminate();
      if (fault.fallback === true) {
        const message = "Voice is temporarily unavailable. You can type your request below.";
        call.send({ type: "fallback_to_text", message });
      }
      if (fault.error !== undefined) call.send({ type: "error", code: "refused", message: fault.error });
    }
  }
}

async function readJson(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return text === "" ? {} : JSON.parse(text);
}

const GREETING = "Hello! How can I help with your tasks today?";

/** Answers an API call with [status, body]. */
async function route(world, request, path) {
  const { method } = request;
  const [, , room, id, sub] = path.split("/");
  if (path === "/mock") {
    if (method === "POST") world.inject(await readJson(request));
    return [200, world.counts];
  }
  if (world.faults.broken) throw new Problem(500, "This is a defect of the server; its log says more.", {}, "internal");
  if (room === "sessions" && id === undefined && method === "POST") {
    const body = await readJson(request);
    const session = world.openSession(body, world.provenUser(request, body));
    return [201, { session_id: session.id, token: session.token, resumed: session.resumed, greeting: GREETING }];
  }
  const session = world.bearer(request);
  if (room === "sessions" && session.id !== id) throw new Problem(404, "There is no such session.");
  if (room === "sessions" && sub === "messages" && method === "POST") {
    const { text } = await readJson(request);
    const { reply, tool } = understand(world, session.userId, text);
    session.history.push({ role: "user", content: text }, { role: "assistant", content: reply });
    return [200, { reply, agent: session.agent, tool_calls: tool === null ? [] : [tool], cost_usd: 0 }];
  }
  if (room === "sessions" && method === "GET") {
    const context = { voice_core: { interrupted: session.interrupted } };
    return [200, { session_id: id, user_id: session.userId, conversation_history: session.history, context }];
  }
  if (room === "sessions" && method === "DELETE") {
    world.sessions.delete(id);
    return [204, null];
  }
  if (room === "tasks") return routeTasks(world, request, session.userId, id, sub);
  throw new Problem(404, "There is no such call.");
}

async function routeTasks(world, request, userId, id, sub) {
  switch (request.method) {
    case "GET":
      return [200, world.tasksOf(userId)];
    case "POST":
      if (sub === "restore") return [200, world.restoreTask(userId, id)];
      return [201, world.addTask(userId, await readJson(request))];
    case "PATCH":
      return [200, world.patchTask(userId, id, await readJson(request))];
    case "DELETE":
      world.deleteTask(userId, id);
      return [204, null];
    default:
      throw new Problem(405, "This call is not made so.");
  }
}

function serveFile(world, path, response) {
  const page = { "/": "index.html", "/admin": "admin.html" }[path];
  const name = page ?? normalize(path).replace(/^[/.]+/, "");
  const file = join(DIST, name);
  if (!file.startsWith(DIST) || !existsSync(file) || extname(file) === "") {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    // As the real server has it: files that are named after their content never change.
    "cache-control": path.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
  });
  const body = readFileSync(file);
  const says = world.faults.records && page !== undefined;
  response.end(says ? String(body).replace('data-records="false"', 'data-records="true"') : body);
}

async function handle(world, request, response) {
  const path = new URL(request.url, "http://mock").pathname;
  if (!path.startsWith("/api/") && path !== "/mock") return serveFile(world, path, response);
  if (path.startsWith("/api/admin/")) return admin(world, request, response, path);
  try {
    const [status, body] = await route(world, request, path);
    response.writeHead(status, { "content-type": "application/json" });
    return response.end(body === null ? undefined : JSON.stringify(body));
  } catch (error) {
    const status = error instanceof Problem ? error.status : 500;
    const headers = error instanceof Problem ? error.headers : {};
    response.writeHead(status, { "content-type": "application/problem+json", ...headers });
    return response.end(JSON.stringify({ status, title: "Refused", code: error.code, detail: error.message }));
  }
}

function upgrade(world, sockets, request, socket, head) {
  const url = new URL(request.url, "http://mock");
  const id = url.pathname.split("/")[3];
  const session = world.sessions.get(id);
  const offered = (request.headers["sec-websocket-protocol"] ?? "").split(", ");
  const status = world.faults.refuse_socket
    ? "426 Upgrade Required"
    : Date.now() < world.faults.awayUntil
      ? "503 Service Unavailable"
      : session === undefined || session.bootId !== world.bootId
        ? "404 Not Found"
        : offered.includes(`token.${session.token}`)
          ? null
          : "401 Unauthorized";
  if (status !== null) {
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    return;
  }
  sockets.handleUpgrade(request, socket, head, (webSocket) => {
    for (const old of world.live) if (old.session === session) old.socket.close(4001, "a newer connection took over");
    const call = new MockCall(world, session, webSocket, url.searchParams.get("answers") !== "text");
    world.live.add(call);
    webSocket.on("close", () => world.live.delete(call));
    call.begin();
  });
}

/** Starts a mock server; `close` ends it and everything it holds. */
export async function startMockServer({ port = 0, statePath, said = SAID } = {}) {
  const world = new World(statePath, said);
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => (offered.has("voice-agent.v1") ? "voice-agent.v1" : false),
  });
  let server;
  const listen = async (at) => {
    server = createServer((request, response) => void handle(world, request, response));
    server.on("upgrade", (request, socket, head) => upgrade(world, sockets, request, socket, head));
    await new Promise((resolve, reject) => server.once("error", reject).listen(at, "127.0.0.1", resolve));
    return server.address().port;
  };
  const bound = await listen(port);
  const mock = {
    world,
    url: `http://127.0.0.1:${bound}`,
    async close() {
      for (const call of world.live) call.socket.terminate();
      if (!server.listening) return;
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
    /** Comes back as a new process would: with what was saved, and nothing in memory. */
    async restart() {
      await mock.close();
      world.bootId = randomBytes(4).toString("hex");
      await listen(bound);
    },
  };
  return mock;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { PORT = "8080", MOCK_STATE, MOCK_SAID = SAID } = process.env;
  const { url } = await startMockServer({ port: Number(PORT), statePath: MOCK_STATE, said: MOCK_SAID });
  console.log(`mock server on ${url}`);
}
