import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { OverReason } from "../session/close-codes";
import type { SessionController } from "../session/controller";
import type { Phase } from "../session/state";
import { useCountdown } from "./use-state";

interface ScreenProps {
  name: string;
  title: string;
  children: ComponentChildren;
  primary: { label: string; run(): void };
  secondary?: { label: string; run(): void };
}

/** Stands where the conversation was when it cannot go on by itself: what happened, and the way out. */
function Screen({ name, title, children, primary, secondary }: ScreenProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <section class="screen" data-testid={`screen-${name}`} aria-labelledby="screen-title">
      <h2 id="screen-title" ref={heading} tabIndex={-1}>
        {title}
      </h2>
      <div class="screen-text">{children}</div>
      <div class="screen-actions">
        <button type="button" class="button button-primary" data-testid="screen-primary" onClick={primary.run}>
          {primary.label}
        </button>
        {secondary !== undefined && (
          <button type="button" class="button" data-testid="screen-secondary" onClick={secondary.run}>
            {secondary.label}
          </button>
        )}
      </div>
    </section>
  );
}

const OVER: Record<OverReason, { title: string; text: string }> = {
  ended: { title: "Conversation ended", text: "Your tasks are saved." },
  idle: {
    title: "This conversation timed out",
    text: "Nothing was said for a while, or it reached its longest time. Your tasks are saved.",
  },
  gone: {
    title: "This conversation is no longer there",
    text: "The server does not know it any more. Your tasks are saved.",
  },
  failed: {
    title: "Something went wrong on our side",
    text: "The server had to end this conversation. Your tasks are saved.",
  },
  taken: {
    title: "You went on in another window",
    text: "This conversation is open somewhere else, and can only be in one place.",
  },
  protocol: {
    title: "The page and the server disagreed",
    text: "This should not happen. Going on usually helps; otherwise reload the page.",
  },
};

export function OverScreen({
  phase,
  controller,
}: {
  phase: Extract<Phase, { name: "over" }>;
  controller: SessionController;
}) {
  const { title, text } = OVER[phase.reason];
  const again = { label: "Start again", run: () => controller.again() };
  const back = { label: phase.reason === "taken" ? "Use it here" : "Go on", run: () => void controller.takeBack() };
  const canGoOn = phase.reason === "taken" || phase.reason === "protocol";
  return (
    <Screen
      name={`over-${phase.reason}`}
      title={title}
      primary={canGoOn ? back : again}
      {...(canGoOn ? { secondary: again } : {})}
    >
      <p>{text}</p>
      {phase.detail !== "" && !canGoOn && <p class="screen-detail">{phase.detail}</p>}
    </Screen>
  );
}

export function FullScreen({
  phase,
  controller,
}: {
  phase: Extract<Phase, { name: "full" }>;
  controller: SessionController;
}) {
  const seconds = useCountdown(phase.retryAtMs);
  return (
    <Screen
      name="full"
      title={phase.busy ? "All lines are busy" : "Back in a moment"}
      primary={{ label: "Try now", run: () => void controller.retry() }}
      secondary={{ label: "Give up", run: () => controller.again() }}
    >
      <p>
        {phase.message} Trying again by itself in <span class="numeric">{seconds}</span> s. Leave this page open.
      </p>
    </Screen>
  );
}

export function RefusedScreen({
  phase,
  controller,
}: {
  phase: Extract<Phase, { name: "refused" }>;
  controller: SessionController;
}) {
  const who = phase.status === 401 || phase.status === 403;
  return (
    <Screen
      name="refused"
      title={who ? "You are not signed in" : "The conversation could not start"}
      primary={{ label: "Try again", run: () => void controller.retry() }}
      secondary={{ label: "Back", run: () => controller.again() }}
    >
      <p>{phase.message}</p>
    </Screen>
  );
}
