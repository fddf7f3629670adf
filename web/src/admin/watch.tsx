import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { STAGES } from "../session/protocol";
import { formatMs } from "../ui/format";
import { Icon } from "../ui/icons";
import { type AdminApi, adminError } from "./api";
import { type Happening, type Row, STAGE_LABELS, sentence, stageWords, wellness, zoneName } from "./model";

/** Happenings on the screen at most. */
const SHOWN = 500;
/** After a broken stream, how long until the next try, in ms. */
const RETRY_MS = 1_500;

type Link = "open" | "waiting" | "over" | "gone" | "refused";

interface Props {
  api: AdminApi;
  id: string;
  row: Row | null;
  nowMs: number;
  logIsOn: boolean;
  onEnd(): void;
  onNotice(words: string): void;
  onClose(): void;
}

/** One call as it happens, the latest first. */
export function Watch({ api, id, row, nowMs, logIsOn, onEnd, onNotice, onClose }: Props) {
  const [words, setWords] = useState(false);
  const { happenings, link, trouble } = useHappenings(api, id, words);
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus(), []);
  const how = row === null ? null : wellness(row, nowMs);
  const download = async () => {
    try {
      const { name, content } = await api.log(id);
      save(name, content);
      onNotice(`${name} is saved. To go through the call again: voice-agent replay ${name}`);
    } catch (error) {
      onNotice(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <section class="panel watch" aria-labelledby="watch-title" data-testid="watch-panel" data-link={link}>
      <header class="watch-head">
        <h2 id="watch-title" ref={title} tabindex={-1}>
          Call <span class="numeric">{id}</span>
        </h2>
        <button
          type="button"
          class="quiet-icon"
          aria-label="Stop watching this call"
          data-testid="watch-close"
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </header>
      {how !== null && <p class={`watch-how tone tone-${how.tone}`}>{how.words}</p>}
      {link !== "open" && (
        <p class="watch-link" data-testid="watch-link">
          {LINKS[link]} {trouble}
        </p>
      )}
      <div class="watch-acts">
        <label class="words">
          <input
            type="checkbox"
            checked={words}
            data-testid="show-words"
            onChange={(event) => setWords(event.currentTarget.checked)}
          />
          <span>
            Show what is said <small>This is written down in the access log.</small>
          </span>
        </label>
        {logIsOn && (
          <button type="button" class="button button-small" data-testid="download-log" onClick={() => void download()}>
            Save input log
          </button>
        )}
        <button
          type="button"
          class="button button-small button-end"
          disabled={link === "over" || link === "gone"}
          data-testid="end-session"
          onClick={onEnd}
        >
          End the call…
        </button>
      </div>
      {!logIsOn && (
        <p class="note watch-note" data-testid="log-off">
          This call cannot be replayed later: no input log is kept. To keep one, start the server with{" "}
          <code>INPUT_LOG_DIR</code> set to a folder. The logs hold what callers say.
        </p>
      )}
      {happenings.length === 0 && link === "open" && (
        <p class="note watch-note">Nothing has happened in this call yet.</p>
      )}
      {happenings.length > 0 && <p class="note watch-note">Latest first. Times are {zoneName(new Date())}.</p>}
      <ol
        class="happenings"
        reversed
        aria-label="What happened in this call"
        data-testid="happenings"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard.
        tabIndex={0}
      >
        {happenings.toReversed().map((one) => (
          <Line key={one.number} happening={one} />
        ))}
      </ol>
    </section>
  );
}

const LINKS: Record<Exclude<Link, "open">, string> = {
  waiting: "Connecting to this call. This page keeps trying.",
  over: "This call is over. What happened in it stays here until you close it.",
  gone: "This call is not on this instance: it is over, or another instance has it now.",
  refused: "The server does not let you watch this call.",
};

function Line({ happening }: { happening: Happening }) {
  const time = new Date(happening.at).toLocaleTimeString("en-GB");
  const cause = happening.type === "turn" && typeof happening.cause === "string" ? happening.cause : null;
  return (
    <li
      class={happening.trouble === true ? "happening happening-bad" : "happening"}
      data-testid="happening"
      data-type={happening.type}
    >
      <time class="numeric" dateTime={happening.at} title={happening.at}>
        {time}
      </time>
      <div>
        <p>
          {happening.trouble === true && <span class="visually-hidden">Trouble: </span>}
          {sentence(happening)}
          {cause !== null && `, most of it for ${stageWords(cause)}`}
        </p>
        {happening.type === "turn" && <StageBar stages={happening.stages} />}
        {happening.type === "tool_call" && happening.arguments !== null && (
          <pre class="tool-words">
            {JSON.stringify({ arguments: happening.arguments, result: happening.result }, null, 1)}
          </pre>
        )}
      </div>
    </li>
  );
}

/** Where a turn's milliseconds went; every colour has its name and its figure beside it. */
function StageBar({ stages }: { stages: unknown }) {
  const of = (stage: string): number => {
    const value = typeof stages === "object" && stages !== null ? Reflect.get(stages, stage) : 0;
    return typeof value === "number" ? value : 0;
  };
  const spent = STAGES.filter((stage) => of(stage) > 0);
  if (spent.length === 0) return null;
  return (
    <ul class="turn-stages">
      {spent.map((stage) => (
        <li key={stage}>
          <i class={`dot stage-${stage}`} aria-hidden="true" />
          {STAGE_LABELS[stage]} <span class="numeric">{formatMs(of(stage))}</span>
        </li>
      ))}
    </ul>
  );
}

interface Watched {
  happenings: Happening[];
  link: Link;
  /** What the server last said instead of telling what happens; empty where it said nothing. */
  trouble: string;
}

/** What happened and happens. After a broken stream the server tells the past once more, and it replaces what is here. */
function useHappenings(api: AdminApi, id: string, words: boolean): Watched {
  const [happenings, setHappenings] = useState<Happening[]>([]);
  const [link, setLink] = useState<Link>("waiting");
  const [trouble, setTrouble] = useState("");
  // Before anything is drawn: words that are not to be shown any more do not wait for a server that is away.
  useLayoutEffect(() => {
    if (!words) setHappenings([]);
  }, [words]);
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const follow = async () => {
      const known = new Map<number, Happening>();
      const opened = () => {
        setLink("open");
        setTrouble("");
      };
      const tell = (happening: Happening) => {
        if (stop.signal.aborted) return;
        // What was missed has no number of its own: it stands behind the latest.
        const number = happening.number ?? (known.size === 0 ? 0 : Math.max(...known.keys())) + 0.5;
        known.set(number, { ...happening, number, at: happening.at ?? new Date().toISOString() });
        setHappenings([...known.values()].slice(-SHOWN));
      };
      try {
        await api.watch(id, words, { opened, tell }, stop.signal);
        if (!stop.signal.aborted) setLink("over");
      } catch (error) {
        if (stop.signal.aborted) return;
        const { status, message } = adminError(error);
        setTrouble(status >= 400 && status !== 404 ? message : "");
        if (status === 404) return setLink("gone");
        if (status >= 400 && status < 500) return setLink("refused");
        setLink("waiting");
        timer = setTimeout(() => void follow(), RETRY_MS);
      }
    };
    setLink("waiting");
    void follow();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [api, id, words]);
  return { happenings, link, trouble };
}

export function save(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The browser has begun to save it by the next turn of its loop.
  setTimeout(() => URL.revokeObjectURL(link.href), 0);
}
