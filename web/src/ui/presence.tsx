import { useEffect, useRef } from "preact/hooks";
import type { Levels } from "../audio/engine";
import { isAloud, isHeardAloud, isSilenced, type SessionState } from "../session/state";
import { hurdleOf } from "./hurdle";

export type Mood =
  | "connecting"
  | "listening"
  | "hearing"
  /** Push-to-talk, and nobody holds the key. */
  | "ready"
  | "thinking"
  | "speaking"
  | "muted"
  | "typing"
  | "away";

/** What the agent is doing, in one word. */
export function moodOf(state: SessionState): Mood {
  if (state.phase.name === "starting") return "connecting";
  if (state.sending) return "thinking";
  if (state.link.name === "waiting") return "away";
  if (state.link.name === "connecting") return "connecting";
  if (state.agentState !== "listening") return state.agentState;
  if (state.microphone !== "on" || state.fallback !== null || state.link.name === "text_only") return "typing";
  if (isSilenced(state)) return state.muted ? "muted" : "ready";
  return state.userSpeaking ? "hearing" : "listening";
}

const WORDS: Record<Mood, [string, string]> = {
  connecting: ["Connecting", "One moment"],
  listening: ["Listening", "Go ahead, I’m all ears"],
  ready: ["Your turn", "Hold the space bar or the button, and speak"],
  hearing: ["Hearing you", "I answer when you pause"],
  thinking: ["Thinking", "Working on it"],
  speaking: ["Speaking", "You can interrupt at any time"],
  muted: ["Muted", "Hold the space bar to say something"],
  typing: ["Ready", "Type below, I answer here"],
  away: ["Reconnecting", "Your conversation is safe"],
};

/** The two words of a state, as things stand: an answer that nobody hears is not spoken. */
function wordsOf(state: SessionState, mood: Mood): [string, string] {
  if (state.phase.name === "starting" && state.microphone === "asking") {
    return ["Waiting for you", "Allow the microphone in your browser"];
  }
  // Speech that the browser holds back is not being heard, whatever the agent says it does.
  if (state.soundBlocked && (mood === "ready" || (mood === "speaking" && isAloud(state))))
    return ["Waiting for you", "Turn the sound on, and we can talk"];
  // A finger has no space bar.
  const touch = matchMedia("(pointer: coarse)").matches;
  if (mood === "ready" && touch) return [WORDS.ready[0], "Hold the button, and speak"];
  if (mood === "muted" && touch) return [WORDS.muted[0], "Press the microphone to be heard again"];
  if (mood === "typing" && state.mode !== "type" && hurdleOf(state) !== null) return ["Not listening", "Typing works"];
  if (mood === "speaking" && !isAloud(state)) return ["Answering", "Type on whenever you like"];
  return WORDS[mood];
}

/**
 * What a screen reader is told. While the agent is heard, its states change several times in a sentence and would be
 * spoken over it: then only what one cannot hear is said.
 */
export function announcementOf(state: SessionState, mood: Mood): string {
  const heard = mood === "listening" || mood === "hearing" || mood === "speaking" || mood === "thinking";
  if (heard && isHeardAloud(state)) return "Connected";
  if (mood === "ready" && !state.soundBlocked)
    return state.agentState === "listening" ? "Connected. Hold the space bar to talk" : "Connected";
  return wordsOf(state, mood)[0];
}

const NO_LEVELS: Levels = { microphone: 0, agent: 0 };

/** How fast the figure follows the sound, per animation frame. */
const RISE = 0.4;
const FALL = 0.12;

/** The agent as a calm figure that moves with the real sound, and the word for its state. */
export function Presence({ state, levels }: { state: SessionState; levels: () => Levels }) {
  const figure = useRef<HTMLDivElement>(null);
  const mood = moodOf(state);
  useEffect(() => {
    let frame = 0;
    let shown = 0;
    // Who wants no motion reads the word of the state; the figure stands still.
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    const draw = () => {
      const now = still.matches ? NO_LEVELS : levels();
      const target = mood === "speaking" ? now.agent : mood === "listening" || mood === "hearing" ? now.microphone : 0;
      shown += (target - shown) * (target > shown ? RISE : FALL);
      figure.current?.style.setProperty("--level", shown.toFixed(3));
      frame = requestAnimationFrame(draw);
    };
    frame = requestAnimationFrame(draw);
    return () => cancelAnimationFrame(frame);
  }, [levels, mood]);
  const silent = state.pending.length === 0 && !state.lines.some((line) => line.who === "you");
  const fresh = silent && hurdleOf(state) === null;
  const [word, hint] = wordsOf(state, mood);
  return (
    <section class={fresh ? "presence presence-large" : "presence"} aria-label="Agent">
      <div class={`figure figure-${mood}`} ref={figure} aria-hidden="true" data-testid="figure">
        <span class="figure-halo" />
        <span class="figure-ring" />
        <span class="figure-core">
          <i />
          <i />
          <i />
          <i />
          <i />
        </span>
      </div>
      <div class="presence-words">
        <p class="presence-state" data-testid="agent-state" data-state={mood}>
          {word}
        </p>
        <p class="presence-hint">{hint}</p>
        <p class="visually-hidden" role="status" data-testid="announcement">
          {announcementOf(state, mood)}
        </p>
      </div>
    </section>
  );
}
