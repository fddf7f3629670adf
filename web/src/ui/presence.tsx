import { useEffect, useRef } from "preact/hooks";
import type { Levels } from "../audio/engine";
import type { SessionState } from "../session/state";

export type Mood = "connecting" | "listening" | "hearing" | "thinking" | "speaking" | "muted" | "typing" | "away";

/** What the agent is doing, in one word. */
export function moodOf(state: SessionState): Mood {
  if (state.phase.name === "starting") return "connecting";
  if (state.sending) return "thinking";
  if (state.link.name === "waiting") return "away";
  if (state.link.name === "connecting") return "connecting";
  if (state.agentState !== "listening") return state.agentState;
  if (state.microphone !== "on" || state.fallback !== null) return "typing";
  if (state.muted) return "muted";
  return state.userSpeaking ? "hearing" : "listening";
}

const WORDS: Record<Mood, [string, string]> = {
  connecting: ["Connecting", "One moment"],
  listening: ["Listening", "Go ahead, I’m all ears"],
  hearing: ["Hearing you", "I answer when you pause"],
  thinking: ["Thinking", "Working on it"],
  speaking: ["Speaking", "You can interrupt at any time"],
  muted: ["Muted", "I can’t hear you. Typing works"],
  typing: ["Ready", "Type below, I answer here"],
  away: ["Reconnecting", "Your conversation is safe"],
};

/** How fast the figure follows the sound, per animation frame. */
const RISE = 0.4;
const FALL = 0.12;

/** The agent as a calm figure that moves with the real sound, and the word for its state. */
export function Presence({ state, levels }: { state: SessionState; levels: () => Levels }) {
  const figure = useRef<HTMLDivElement>(null);
  const mood = moodOf(state);
  const asking = state.phase.name === "starting" && state.microphone === "asking";
  useEffect(() => {
    let frame = 0;
    let shown = 0;
    const draw = () => {
      const now = levels();
      const target = mood === "speaking" ? now.agent : mood === "listening" || mood === "hearing" ? now.microphone : 0;
      shown += (target - shown) * (target > shown ? RISE : FALL);
      figure.current?.style.setProperty("--level", shown.toFixed(3));
      frame = requestAnimationFrame(draw);
    };
    frame = requestAnimationFrame(draw);
    return () => cancelAnimationFrame(frame);
  }, [levels, mood]);
  const fresh = !state.lines.some((line) => line.who === "you");
  const [word, hint] = asking ? ["Waiting for you", "Allow the microphone in your browser"] : WORDS[mood];
  return (
    <section class={fresh ? "presence presence-large" : "presence"} aria-label="Agent">
      <div class={`figure figure-${mood}`} ref={figure} aria-hidden="true">
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
        <p class="presence-state" role="status" data-testid="agent-state" data-state={mood}>
          {word}
        </p>
        <p class="presence-hint">{hint}</p>
      </div>
    </section>
  );
}
