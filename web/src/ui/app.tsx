import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { SessionController } from "../session/controller";
import type { SessionState } from "../session/state";
import { Banners } from "./banners";
import { Captions } from "./captions";
import { Composer } from "./composer";
import { ConsentDialog } from "./consent-dialog";
import { formatClock } from "./format";
import { Hurdle, hurdleOf } from "./hurdle";
import { Icon } from "./icons";
import { Presence } from "./presence";
import { FullScreen, OverScreen, RefusedScreen } from "./screens";
import { Tasks } from "./tasks";
import { Timeline } from "./timeline";
import { useLasting, useSession } from "./use-state";

type View = "talk" | "tasks";

export function App({ controller }: { controller: SessionController }) {
  const state = useSession(controller.store);
  const [view, setView] = useState<View>("talk");
  const { phase } = state;
  useFocusOnBegin(state);
  useTroubleInSight(state, setView);
  // Beside the list on a phone's width, what is said of a change by hand stands above it.
  const banners = <Banners controller={controller} state={state} />;
  return (
    <div class="page" data-testid="page" data-phase={phase.name} data-link={state.link.name}>
      <button type="button" class="skip" data-testid="skip" onClick={() => skipToTalk(setView)}>
        Skip to the conversation
      </button>
      <Header controller={controller} state={state} />
      <ViewSwitch view={view} onView={setView} state={state} />
      <main class={`columns view-${view}`}>
        <section class="talk" id="talk" tabIndex={-1} aria-label="Conversation with the agent">
          {view === "talk" && banners}
          {phase.name === "over" && <OverScreen controller={controller} state={state} />}
          {phase.name === "full" && <FullScreen phase={phase} controller={controller} />}
          {phase.name === "refused" && <RefusedScreen phase={phase} controller={controller} />}
          {(phase.name === "live" || phase.name === "starting" || phase.name === "consent") && (
            <Talk controller={controller} state={state} />
          )}
        </section>
        <aside class="side" aria-label="Tasks and timing">
          {view === "tasks" && banners}
          <Tasks desk={controller.tasks} state={state} />
          <Timeline state={state} />
        </aside>
      </main>
      {phase.name === "consent" && (
        <ConsentDialog notice={state.notice} records={state.records} onChoose={(mode) => void controller.start(mode)} />
      )}
    </div>
  );
}

/** On a phone's width the list hides the conversation: what ends the call, or stands in its way, brings that back into sight. */
function useTroubleInSight(state: SessionState, setView: (view: View) => void): void {
  const { name } = state.phase;
  const trouble = name === "over" || name === "full" || name === "refused" ? name : hurdleOf(state);
  useEffect(() => {
    if (trouble !== null) setView("talk");
  }, [trouble, setView]);
}

function skipToTalk(setView: (view: View) => void): void {
  setView("talk");
  // On a phone's width the conversation is only there, and can only have the focus, once it is drawn.
  requestAnimationFrame(() => document.getElementById("talk")?.focus());
}

/** A dialog or a screen that goes takes the focus with it: to the text box of who types, else to the conversation. */
function useFocusOnBegin({ phase, mode }: SessionState): void {
  const before = useRef(phase.name);
  useEffect(() => {
    const from = before.current;
    before.current = phase.name;
    const begins = phase.name === "live" || phase.name === "starting";
    if (!begins || from === "live" || from === phase.name) return;
    if (from === "starting" && document.activeElement !== document.body) return;
    document.getElementById(mode === "type" ? "message" : "talk")?.focus();
  }, [phase.name, mode]);
}

function Talk({ controller, state }: { controller: SessionController; state: SessionState }) {
  const levels = useCallback(() => controller.voice.levels, [controller]);
  return (
    <>
      <Presence state={state} levels={levels} />
      <div role="status">
        <Hurdle controller={controller} state={state} />
        <SlowStart controller={controller} state={state} />
      </div>
      <Captions state={state} onExample={(text) => void controller.typing.send(text)} />
      <Composer controller={controller} state={state} />
    </>
  );
}

/** How long a beginning may take before one is told about it, in ms. */
const SLOW_START_MS = 3_000;

function SlowStart({ controller, state }: { controller: SessionController; state: SessionState }) {
  const waiting = state.phase.name === "starting" && state.microphone !== "asking";
  const slow = useLasting(waiting, SLOW_START_MS);
  if (!slow) return null;
  return (
    <div class="slow" data-testid="slow-start">
      <span class="slow-bar" aria-hidden="true" />
      <p>The network is slow. I am still trying.</p>
      <button type="button" class="link-button" onClick={() => controller.again()}>
        Give up
      </button>
    </div>
  );
}

function Header({ controller, state }: { controller: SessionController; state: SessionState }) {
  const live = state.phase.name === "live";
  return (
    <header class="top">
      <h1 class="brand">
        <img src="/icon.svg" width="28" height="28" alt="" />
        <span class="brand-name">Task Manager</span>
      </h1>
      <div class="top-right">
        {live && state.screen === "on" && <ScreenSign controller={controller} state={state} />}
        {live && <KeptSign controller={controller} state={state} />}
        {live && (
          <button type="button" class="button button-end" data-testid="end" onClick={() => void controller.end()}>
            <Icon name="hangup" size={18} />
            End
          </button>
        )}
      </div>
    </header>
  );
}

/** Always in sight while the screen is shared: whether the agent has looked, when, and the off switch. */
function ScreenSign({ controller, state }: { controller: SessionController; state: SessionState }) {
  const { lookedAtMs } = state;
  const looked = lookedAtMs === null ? "Screen shared" : `Looked at ${formatClock(lookedAtMs)}`;
  return (
    <button
      type="button"
      class="recording recording-on screen-sign"
      data-testid="screen-sign"
      data-looked={lookedAtMs !== null}
      title="The agent takes a picture of your screen when you speak of it, and keeps none"
      onClick={() => controller.screen.stop()}
    >
      {/* The key starts the animation anew with each look. */}
      <span class="screen-eye" key={lookedAtMs ?? 0} aria-hidden="true">
        <Icon name="screen" size={18} />
      </span>
      <span class="recording-word" role="status">
        {looked}
      </span>
      <span class="recording-act">Stop</span>
      <span class="visually-hidden"> sharing the screen</span>
    </button>
  );
}

/** What is kept of this conversation. Who only types is not recorded, and is not offered it. */
function KeptSign({ controller, state }: { controller: SessionController; state: SessionState }) {
  if (!state.records) return <NothingKept controller={controller} state={state} />;
  if (state.mode !== "type" || state.recording) {
    return <RecordingSign controller={controller} recording={state.recording} />;
  }
  return <TextOnly />;
}

/** A server that keeps no recordings is not said to record, whatever was allowed; what was allowed can be withdrawn. */
function NothingKept({ controller, state }: { controller: SessionController; state: SessionState }) {
  if (state.recording) {
    return (
      <button
        type="button"
        class="recording"
        data-testid="recording"
        data-recording="false"
        title="You allowed recording, and this server keeps none"
        onClick={() => controller.setRecording(false)}
      >
        <span class="recording-word">Not recorded</span>
        <span class="recording-act">Withdraw</span>
        <span class="visually-hidden"> your consent to recording</span>
      </button>
    );
  }
  if (state.mode === "type") return <TextOnly />;
  return (
    <span class="text-only" data-testid="not-recorded" title="This server keeps no recordings">
      Not recorded
    </span>
  );
}

function TextOnly() {
  return (
    <span class="text-only" data-testid="text-only">
      <Icon name="keyboard" size={18} />
      Text only
    </span>
  );
}

/** Always in sight while it records, and its own off switch. */
function RecordingSign({ controller, recording }: { controller: SessionController; recording: boolean }) {
  return (
    <button
      type="button"
      class={recording ? "recording recording-on" : "recording"}
      data-testid="recording"
      data-recording={recording}
      onClick={() => controller.setRecording(!recording)}
    >
      <span class="recording-dot" aria-hidden="true" />
      <span class="recording-word">{recording ? "Recording" : "Not recorded"}</span>
      {recording && <span class="recording-act">Stop</span>}
      <span class="visually-hidden">{recording ? " recording" : ". Press to record"}</span>
    </button>
  );
}

/** On a phone's width the two columns take turns; a change of the list behind the scenes shows as a mark. */
function ViewSwitch({ view, onView, state }: { view: View; onView(view: View): void; state: SessionState }) {
  const open = state.tasks.filter((task) => task.status === "open").length;
  const [seen, setSeen] = useState(state.tasks);
  useEffect(() => {
    if (view === "tasks" || state.changed.length === 0) setSeen(state.tasks);
  }, [view, state.tasks, state.changed]);
  const fresh = seen !== state.tasks;
  return (
    <nav class="switch" aria-label="View">
      <button type="button" aria-pressed={view === "talk"} onClick={() => onView("talk")} data-testid="view-talk">
        Talk
      </button>
      <button type="button" aria-pressed={view === "tasks"} onClick={() => onView("tasks")} data-testid="view-tasks">
        Tasks {state.tasksLoaded && <span class="numeric">{open}</span>}
        {fresh && <span class="fresh" role="img" aria-label="changed" />}
      </button>
    </nav>
  );
}
