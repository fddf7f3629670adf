import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { OverReason } from "../session/close-codes";
import type { SessionController } from "../session/controller";
import type { Phase, SessionState } from "../session/state";
import { Transcript } from "./captions";
import { formatCost, formatWait } from "./format";
import { Icon, type IconName } from "./icons";
import { useCountdown } from "./use-state";

interface Action {
  label: string;
  /** A promise shows that something is under way until it is settled. */
  run(): void | Promise<void>;
}

interface ScreenProps {
  name: string;
  icon: IconName;
  title: string;
  children: ComponentChildren;
  primary: Action;
  secondary?: Action | undefined;
  foot?: ComponentChildren;
}

/** Pictures of what should not have happened; the others are of what ends as it may. */
const TROUBLED: ReadonlySet<IconName> = new Set<IconName>(["alert", "cloud"]);

/** Stands where the conversation was when it cannot go on by itself: what happened, and the way out. */
function Screen({ name, icon, title, children, primary, secondary, foot }: ScreenProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [busy, setBusy] = useState(false);
  const here = useRef(true);
  useEffect(() => {
    heading.current?.focus();
    return () => {
      here.current = false;
    };
  }, []);
  const run = async () => {
    if (busy) return;
    setBusy(true);
    await primary.run();
    if (here.current) setBusy(false);
  };
  return (
    <section class="screen" data-testid={`screen-${name}`} aria-labelledby="screen-title">
      <div class="screen-inner">
        <span class={TROUBLED.has(icon) ? "screen-icon screen-icon-warn" : "screen-icon"}>
          <Icon name={icon} size={28} />
        </span>
        <h2 id="screen-title" ref={heading} tabIndex={-1}>
          {title}
        </h2>
        <div class="screen-text">{children}</div>
        <div class="screen-actions">
          <button
            type="button"
            class="button button-primary"
            data-testid="screen-primary"
            aria-disabled={busy}
            onClick={() => void run()}
          >
            {busy ? "One moment…" : primary.label}
          </button>
          {secondary !== undefined && (
            <button type="button" class="button" data-testid="screen-secondary" onClick={() => void secondary.run()}>
              {secondary.label}
            </button>
          )}
        </div>
        {foot}
      </div>
    </section>
  );
}

interface OverWords {
  icon: IconName;
  title: string;
  text: string;
}

const OVER: Record<OverReason, OverWords> = {
  ended: { icon: "check", title: "Until next time", text: "You ended the conversation. Your tasks are saved." },
  goodbye: { icon: "check", title: "Goodbye", text: "The conversation is over. Your tasks are saved." },
  operator: {
    icon: "hangup",
    title: "This conversation was ended for you",
    text: "Somebody who looks after the server ended it. Your tasks are saved.",
  },
  idle: {
    icon: "clock",
    title: "It was quiet for a long time",
    text: "So the conversation was closed. Your tasks are saved.",
  },
  too_long: {
    icon: "clock",
    title: "This was as long as a conversation can be",
    text: "Your tasks are saved. A new one starts where your list is now.",
  },
  ceiling: {
    icon: "clock",
    title: "This conversation has used up its budget",
    text: "The server may spend so much on one call, or in one day. Your tasks are saved.",
  },
  gone: {
    icon: "cloud",
    title: "This conversation is no longer there",
    text: "The server does not know it any more. Your tasks are saved.",
  },
  failed: {
    icon: "alert",
    title: "Something went wrong on our side",
    text: "The server had to end this conversation. It was nothing that you did, and your tasks are saved.",
  },
  taken: {
    icon: "windows",
    title: "You went on in another window",
    text: "A conversation can only be in one place at a time. It goes on over there, or here again if you like.",
  },
  protocol: {
    icon: "alert",
    title: "The page and the server misunderstood each other",
    text: "This should not happen. Going on usually helps; otherwise reload the page.",
  },
};

export function OverScreen({ controller, state }: { controller: SessionController; state: SessionState }) {
  if (state.phase.name !== "over") return null;
  const { reason } = state.phase;
  const { icon, title, text } = OVER[reason];
  const again = { label: "Start again", run: () => controller.again() };
  const back = { label: reason === "taken" ? "Use it here" : "Go on", run: () => controller.takeBack() };
  const canGoOn = reason === "taken" || reason === "protocol";
  return (
    <Screen
      name={`over-${reason}`}
      icon={icon}
      title={title}
      primary={canGoOn ? back : again}
      secondary={canGoOn ? again : undefined}
      foot={<Transcript lines={state.lines} />}
    >
      <p>{text}</p>
      {state.turnCount > 0 && (
        <p class="screen-detail numeric" data-testid="summary">
          {state.turnCount} {state.turnCount === 1 ? "answer" : "answers"}, {formatCost(state.spentUsd)}
        </p>
      )}
    </Screen>
  );
}

/** A wait that is longer is no moment, in s. */
const LONG_WAIT_S = 600;

export function FullScreen({
  phase,
  controller,
}: {
  phase: Extract<Phase, { name: "full" }>;
  controller: SessionController;
}) {
  const seconds = useCountdown(phase.retryAtMs);
  const [isLong] = useState(seconds > LONG_WAIT_S);
  const title = isLong ? "Not just now" : "Back in a moment";
  return (
    <Screen
      name="full"
      icon="clock"
      title={phase.busy ? "All lines are busy" : title}
      primary={{ label: "Try now", run: () => controller.retry() }}
      secondary={{ label: "Give up", run: () => controller.again() }}
    >
      <p>
        {phase.message} Leave this page open: it tries again by itself in{" "}
        <span class="numeric">{formatWait(seconds)}</span>. Your microphone is off meanwhile.
      </p>
    </Screen>
  );
}

/** Why a conversation could not begin, in words for who must do something about it. */
function refusalOf({ status, message }: Extract<Phase, { name: "refused" }>): OverWords {
  if (status === 0) {
    const offline = !navigator.onLine;
    return {
      icon: "cloud",
      title: offline ? "You are offline" : "The server cannot be reached",
      text: offline
        ? "When your network is back this page goes on by itself."
        : "It may be starting, or your network may be in the way. Nothing is lost, and this page goes on by itself.",
    };
  }
  if (status === 401 || status === 403) {
    return {
      icon: "key",
      title: "You are not signed in",
      text: "Open this page again from where you sign in. If it was open for long, your sign-in may have run out.",
    };
  }
  return { icon: "alert", title: "The conversation could not start", text: message };
}

export function RefusedScreen({
  phase,
  controller,
}: {
  phase: Extract<Phase, { name: "refused" }>;
  controller: SessionController;
}) {
  const { icon, title, text } = refusalOf(phase);
  const seconds = useCountdown(phase.retryAtMs ?? 0);
  return (
    <Screen
      name="refused"
      icon={icon}
      title={title}
      primary={{ label: "Try again", run: () => controller.retry() }}
      secondary={{ label: "Start again", run: () => controller.again() }}
    >
      <p>{text}</p>
      {phase.retryAtMs !== null && (
        <p class="screen-detail" data-testid="retry-in">
          {seconds > 0 ? `Next try in ${formatWait(seconds)}` : "Trying now…"}
        </p>
      )}
    </Screen>
  );
}
