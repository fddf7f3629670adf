import { useEffect, useRef } from "preact/hooks";
import { isHeardAloud, type Line, type SessionState } from "../session/state";
import { hurdleOf } from "./hurdle";

/** Pixels from the end within which the reader is taken to be following. */
const FOLLOWING_PX = 120;

const ADD = "Add a task to review the proposal by Friday";

/** What can be said now: nothing that would find an empty list. */
const examples = (hasOpenTask: boolean) =>
  hasOpenTask
    ? [ADD, "What’s on my list?", "Mark the first one as done"]
    : [ADD, "Remind me to call the bank tomorrow, high priority", "What can you do?"];

interface Props {
  state: SessionState;
  onExample(text: string): void;
}

/** The conversation in words, as it is spoken. */
export function Captions({ state, onExample }: Props) {
  const { lines, pending } = state;
  const settled = lines.filter((line) => !line.interim);
  const interim = lines.filter((line) => line.interim);
  const scroller = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const scrolledTo = useRef(0);
  const last = lines.at(-1);
  const nobodySpokeYet = pending.length === 0 && !lines.some((line) => line.who === "you");
  // Before the first word the greeting is what is to be read, and not the examples below it.
  const toEnd = useRef<() => void>(() => undefined);
  toEnd.current = () => {
    const element = scroller.current;
    if (element !== null && following.current && !nobodySpokeYet) element.scrollTop = element.scrollHeight;
  };
  useEffect(() => {
    toEnd.current();
  }, [lines.length, pending.length, last?.text, last?.unheard]);
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    // The keyboard comes up, or the bar below grows: who was reading the last line still is.
    const observer = new ResizeObserver(() => toEnd.current());
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const onScroll = () => {
    const element = scroller.current;
    if (element === null) return;
    const isUp = element.scrollTop < scrolledTo.current;
    scrolledTo.current = element.scrollTop;
    // The end may be far because more came before this was told: only who scrolls up has left it.
    if (element.scrollHeight - element.scrollTop - element.clientHeight < FOLLOWING_PX) following.current = true;
    else if (isUp) following.current = false;
  };
  return (
    <div class="captions" ref={scroller} onScroll={onScroll}>
      <div
        class="captions-inner"
        role="log"
        aria-label="Conversation"
        aria-live={isHeardAloud(state) ? "off" : "polite"}
        data-testid="captions"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard.
        tabIndex={0}
      >
        {settled.map((line, i) => (
          <Caption key={line.key} line={line} first={settled[i - 1]?.who !== line.who} />
        ))}
      </div>
      {/* Outside the log: what is half understood changes with every word, and nobody wants it read to them. */}
      <div aria-hidden="true">
        {interim.map((line, i) => (
          <Caption key={line.key} line={line} first={i === 0 && settled.at(-1)?.who !== "you"} />
        ))}
        {pending.map((one) => (
          <p key={one.key} class="caption caption-you caption-first caption-pending" data-testid="caption-pending">
            <span class="caption-text">{one.text}</span>
            <span class="caption-fate">{one.sent ? "Sending" : "Waiting for the connection"}</span>
          </p>
        ))}
      </div>
      {nobodySpokeYet && state.phase.name === "live" && hurdleOf(state) === null && (
        <Examples hasOpenTask={state.tasks.some((task) => task.status === "open")} onExample={onExample} />
      )}
    </div>
  );
}

function Caption({ line, first }: { line: Line; first: boolean }) {
  const kind = `caption caption-${line.who}${line.interim ? " caption-interim" : ""}${first ? " caption-first" : ""}`;
  return (
    <p class={kind} data-testid={`caption-${line.who}`} data-interim={line.interim}>
      {/* The eye tells them apart by typeface and side. */}
      <span class="visually-hidden">{line.who === "you" ? "You" : "Agent"}: </span>
      <span class="caption-text">
        <span data-testid="heard">{line.text}</span>
        {line.unheard !== null && (
          <span class="unheard" data-testid="unheard">
            <span class="visually-hidden"> {line.unheard === "" ? "Cut off" : "Interrupted"}. Not heard: </span>{" "}
            {line.unheard || "…"}
          </span>
        )}
      </span>
      {line.unheard !== null && (
        <span class="interrupted" aria-hidden="true">
          {line.unheard === "" ? "Cut off. The rest was not heard." : "You interrupted. The rest was not heard."}
        </span>
      )}
    </p>
  );
}

/** The conversation of a call that is over, to be read again. */
export function Transcript({ lines }: { lines: Line[] }) {
  if (lines.length === 0) return null;
  return (
    <details class="transcript" data-testid="transcript">
      <summary>Read the conversation</summary>
      <div class="transcript-lines">
        {lines.map((line, i) => (
          <Caption key={line.key} line={line} first={lines[i - 1]?.who !== line.who} />
        ))}
      </div>
    </details>
  );
}

function Examples({ hasOpenTask, onExample }: { hasOpenTask: boolean; onExample(text: string): void }) {
  return (
    <div class="examples">
      <p class="examples-title">Try saying, or press one</p>
      <ul>
        {examples(hasOpenTask).map((text) => (
          <li key={text}>
            <button type="button" class="example" onClick={() => onExample(text)}>
              {text}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
