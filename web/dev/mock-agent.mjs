// The mock server's agent: an energy VAD, a canned ear, a toy task language and a humming voice.
// It speaks docs/protocol.md, not English: it exists so that the page can be built and tested without the real server.

const FRAME_MS = 20;
const UP_BYTES = 640;
const DOWN_SAMPLES = 480;
const AHEAD_MS = 400;
const SPEECH_LEVEL = 500;
const START_FRAMES = 3;
const END_FRAMES = 30;
const TEXT_MS_PER_LETTER = 55;

const GREETING = "Hello! How can I help with your tasks today?";
const RESTORED = "I'm back. We were discussing your task list. Where were we?";

function rms(frame) {
  let sum = 0;
  for (let i = 0; i < frame.length; i += 2) sum += frame.readInt16LE(i) ** 2;
  return Math.sqrt(sum / (frame.length / 2));
}

/** A voice-like hum: a gliding tone with the rhythm of syllables. */
function hum(sampleIndex) {
  const t = sampleIndex / 24_000;
  const syllable = Math.max(0, Math.sin(2 * Math.PI * 3.6 * t)) ** 0.6;
  const pitch = 150 + 25 * Math.sin(2 * Math.PI * 0.7 * t);
  const tone = Math.sin(2 * Math.PI * pitch * t) + 0.4 * Math.sin(4 * Math.PI * pitch * t);
  return Math.round(7_000 * syllable * tone);
}

function nextWeekday(name) {
  const days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
  const date = new Date();
  const ahead = (days.indexOf(name.toLowerCase()) - date.getDay() + 7) % 7 || 7;
  date.setDate(date.getDate() + ahead);
  return date.toLocaleDateString("sv-SE");
}

/** What a sentence does to the list. Returns the reply and the tool call, if there was one. */
export function understand(world, userId, text) {
  const tasks = world.tasksOf(userId);
  const add = text.match(/^add (?:a task to )?(.+?)(?: by (\w+day))?[.!]?$/i);
  if (add !== null) {
    const title = add[1].charAt(0).toUpperCase() + add[1].slice(1);
    const due = add[2] === undefined ? null : nextWeekday(add[2]);
    const task = world.addTask(userId, { title, due });
    const until = add[2] === undefined ? "" : `, due ${add[2]}`;
    return {
      reply: `I've added “${title}”${until}.`,
      tool: { name: "add_task", arguments: { title, due }, result: task },
    };
  }
  if (/(mark|complete|done|finish)/i.test(text)) {
    const open = tasks.find((task) => task.status === "open");
    if (open === undefined) return { reply: "There is nothing left to complete.", tool: null };
    world.patchTask(userId, open.id, { status: "done" });
    return {
      reply: `Done. I've ticked off “${open.title}”.`,
      tool: { name: "complete_task", arguments: { id: open.id }, result: open },
    };
  }
  if (/(list|what|how many|tasks)/i.test(text)) {
    const titles = tasks.filter((task) => task.status === "open").map((task) => task.title);
    const many = titles.length === 1 ? "one open task" : `${titles.length} open tasks`;
    return { reply: `You have ${many}. ${titles.map((title) => `${title}.`).join(" ")}`.trim(), tool: null };
  }
  return { reply: "I didn't catch a task in that. You can say: add a task to call John.", tool: null };
}

/** One voice connection of a session. */
export class MockCall {
  constructor(world, session, socket, spoken) {
    Object.assign(this, { world, session, socket, spoken, said: world.said });
    this.muted = false;
    this.loud = 0;
    this.silent = 0;
    this.speaking = false;
    this.current = null;
    this.timers = new Set();
    socket.on("message", (data, isBinary) => (isBinary ? this.handleFrame(data) : this.handleEvent(data)));
    socket.on("close", () => this.stop());
  }

  begin() {
    const { id, agent, recording, resumed } = this.session;
    const { records, screens, greeting } = this.world.faults;
    const settled = { agent, recording, records, screens, muted: this.muted };
    const ready = { session_id: id, resumed, channel: "browser", ...settled };
    this.send({ type: "ready", ...ready });
    this.send({ type: "tasks", tasks: this.world.tasksOf(this.session.userId) });
    if (this.session.greeted !== this.session.bootId) {
      this.session.greeted = this.session.bootId;
      this.say(resumed ? RESTORED : (greeting ?? GREETING), null);
    }
  }

  /** A planned stop: the call goes on wherever it connects next, without a word. */
  moveOn() {
    this.session.resumed = true;
    this.send({ type: "hand_over" });
    this.socket.close(4007, "moved");
  }

  send(event) {
    if (this.socket.readyState === 1) this.socket.send(JSON.stringify(event));
  }

  later(ms, run) {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      run();
    }, ms);
    this.timers.add(timer);
  }

  stop() {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    clearInterval(this.pump);
  }

  handleFrame(frame) {
    if (frame.length !== UP_BYTES) return this.socket.close(4000, "wrong frame size");
    this.world.counts.frames++;
    const isLoud = rms(frame) > SPEECH_LEVEL;
    this.loud = isLoud ? this.loud + 1 : 0;
    this.silent = isLoud ? 0 : this.silent + 1;
    if (!this.speaking && this.loud >= START_FRAMES) this.startOfSpeech();
    else if (this.speaking && this.silent >= END_FRAMES) this.endOfSpeech();
    else if (this.speaking && !this.busy) this.interim();
    return undefined;
  }

  startOfSpeech() {
    this.speaking = true;
    this.spokenFrames = 0;
    this.utterance = ++this.session.utterances;
    this.send({ type: "user_speaking", speaking: true });
    this.interrupt();
  }

  interim() {
    const words = this.said.split(" ");
    const count = Math.min(words.length, Math.floor(++this.spokenFrames / 12));
    if (count === 0 || this.spokenFrames % 12 !== 0) return;
    const text = words.slice(0, count).join(" ");
    this.send({ type: "transcript", utterance_id: this.utterance, text, final: false });
  }

  endOfSpeech() {
    this.speaking = false;
    this.send({ type: "user_speaking", speaking: false });
    this.send({ type: "transcript", utterance_id: this.utterance, text: this.said, final: true });
    this.answer(this.said);
  }

  interrupt() {
    const speech = this.current;
    if (speech === null) return;
    clearInterval(this.pump);
    this.current = null;
    this.cut = speech;
    this.send({ type: "clear", speech_id: speech.id });
    this.send({ type: "state", state: "listening" });
  }

  answer(text, typed = false) {
    this.send({ type: "state", state: "thinking" });
    this.later(350, () => {
      const { reply, tool } = understand(this.world, this.session.userId, text);
      this.session.history.push({ role: "user", content: text });
      if (tool !== null) {
        this.send({ type: "tool_call", ...tool });
        this.send({ type: "tasks", tasks: this.world.tasksOf(this.session.userId) });
      }
      this.say(reply, text.length > 60 ? "llm" : null, typed);
    });
  }

  say(text, cause, typed = false) {
    const id = ++this.session.speeches;
    const durationMs = Math.max(400, text.length * TEXT_MS_PER_LETTER) - 7;
    const speech = { id, replyId: id, text, durationMs, sentMs: 0, startedMs: Date.now(), cause, typed };
    this.current = speech;
    this.session.history.push({ role: "assistant", content: text });
    this.world.save();
    this.send({ type: "state", state: "speaking" });
    this.send({ type: "agent_text", reply_id: id, speech_id: id, text });
    if (!this.spoken) return this.finishTurn(speech);
    this.send({ type: "speech_started", speech_id: id, reply_id: id });
    this.pump = setInterval(() => this.pumpFrames(speech), FRAME_MS);
    return undefined;
  }

  pumpFrames(speech) {
    const elapsed = Date.now() - speech.startedMs;
    while (speech.sentMs < speech.durationMs && speech.sentMs < elapsed + AHEAD_MS) {
      const frame = Buffer.alloc(DOWN_SAMPLES * 2);
      const first = (speech.sentMs / FRAME_MS) * DOWN_SAMPLES;
      for (let i = 0; i < DOWN_SAMPLES; i++) frame.writeInt16LE(hum(first + i), i * 2);
      if (this.socket.readyState === 1) this.socket.send(frame);
      speech.sentMs += FRAME_MS;
    }
    if (speech.sentMs < speech.durationMs) return;
    clearInterval(this.pump);
    this.send({ type: "speech_finished", speech_id: speech.id, duration_ms: speech.durationMs });
  }

  handlePlayout({ speech_id: id, played_ms: playedMs }) {
    this.world.counts.playout.push([id, playedMs]);
    if (this.cut?.id === id) {
      const { text, durationMs, replyId } = this.cut;
      const at = text.lastIndexOf(" ", Math.floor((text.length * playedMs) / durationMs));
      const heard = text.slice(0, Math.max(0, at));
      const said = this.session.history.findLastIndex(({ content }) => content === text);
      this.session.history[said].content = heard;
      this.session.interrupted.push(said);
      this.send({ type: "heard", reply_id: replyId, heard, unheard: text.slice(at + 1) });
      this.cut = null;
    } else if (this.current?.id === id && playedMs >= this.current.durationMs) {
      this.finishTurn(this.current);
    }
  }

  finishTurn(speech) {
    this.current = null;
    this.send({ type: "state", state: "listening" });
    const number = ++this.session.turns;
    if (!this.spoken || speech.typed) {
      const nothing = { endpointing: 0, stt: 0, llm: 0, tool: 0, tts: 0, network: 0, playout: 0 };
      this.send({ type: "turn", turn: number, latency_ms: null, stages: nothing, cause: null, cost_usd: 0 });
      return;
    }
    const slow = speech.cause !== null;
    const stages = { endpointing: 210, stt: 64, llm: slow ? 540 : 92, tool: 6, tts: 74 };
    const latency = Object.values(stages).reduce((sum, ms) => sum + ms, 0);
    // Behind the first audio lie the way and the device.
    const heard = { ...stages, network: 12, playout: 40 };
    this.send({ type: "turn", turn: number, latency_ms: latency, stages: heard, cause: speech.cause, cost_usd: 0 });
  }

  handleEvent(data) {
    let event;
    try {
      event = JSON.parse(String(data));
    } catch {
      return this.socket.close(4000, "malformed JSON");
    }
    this.world.counts.events.push(event);
    switch (event.type) {
      case "text":
        this.interrupt();
        this.send({ type: "user_text", text: event.text });
        return this.answer(event.text, true);
      case "playout":
        return this.handlePlayout(event);
      case "mute":
        this.muted = event.muted;
        return undefined;
      case "consent":
        this.session.recording = event.recording;
        return this.send({ type: "recording", enabled: event.recording });
      case "ping":
        return this.send({ type: "pong", t: event.t });
      case "screen":
      case "picture":
        // Counted, and nothing more: the mock sees nothing.
        return undefined;
      case "end":
        this.send({ type: "ended", outcome: "completed", reason: "" });
        return this.socket.close(1000);
      default:
        return this.socket.close(4000, "unknown type");
    }
  }
}
