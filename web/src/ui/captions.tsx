import { useEffect, useRef } from "preact/hooks";
import type { Line } from "../session/state";

/** Pixels from the end within which the reader is taken to be following. */
const FOLLOWING_PX = 120;

const EXAMPLES = ["Add a task to review the proposal by Friday", "What’s on my list?", "Mark the first one as done"];

interface Props {
  lines: Line[];
  onExample(text: string): void;
}

/** The conversation in words, as it is spoken. */
export function Captions({ lines, onExample }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const last = lines.at(-1);
  useEffect(() => {
    const element = scroller.current;
    if (element !== null && following.current) element.scrollTop = element.scrollHeight;
  }, [lines.length, last?.text, last?.unheard]);
  const onScroll = () => {
    const element = scroller.current;
    if (element === null) return;
    following.current = element.scrollHeight - element.scrollTop - element.clientHeight < FOLLOWING_PX;
  };
  const nobodySpokeYet = !lines.some((line) => line.who === "you");
  return (
    <div class="captions" ref={scroller} onScroll={onScroll}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard. */}
      <div class="captions-inner" role="log" aria-label="Conversation" data-testid="captions" tabIndex={0}>
        {lines.map((line, i) => (
          <Caption key={line.key} line={line} first={lines[i - 1]?.who !== line.who} />
        ))}
      </div>
      {nobodySpokeYet && <Examples onExample={onExample} />}
    </div>
  );
}

function Caption({ line, first }: { line: Line; first: boolean }) {
  const kind = `caption caption-${line.who}${line.interim ? " caption-interim" : ""}${first ? " caption-first" : ""}`;
  return (
    <p class={kind} data-testid={`caption-${line.who}`} data-interim={line.interim} aria-hidden={line.interim}>
      {first ? (
        <span class="caption-who">{line.who === "you" ? "You" : "Agent"}</span>
      ) : (
        <span class="visually-hidden">{line.who === "you" ? "You" : "Agent"}: </span>
      )}
      <span class="caption-text">
        <span data-testid="heard">{line.text}</span>
        {line.unheard !== null && (
          <span class="unheard" data-testid="unheard">
            <span class="visually-hidden"> Interrupted. Not heard: </span> {line.unheard}
          </span>
        )}
      </span>
      {line.unheard !== null && (
        <span class="interrupted" aria-hidden="true">
          you interrupted here
        </span>
      )}
    </p>
  );
}

function Examples({ onExample }: { onExample(text: string): void }) {
  return (
    <div class="examples">
      <p class="examples-title">Try saying, or press one</p>
      <ul>
        {EXAMPLES.map((text) => (
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
