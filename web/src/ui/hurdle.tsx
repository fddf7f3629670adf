import type { ComponentChildren } from "preact";
import type { SessionController } from "../session/controller";
import type { Link, MicrophoneChoice, SessionState } from "../session/state";
import { Icon, type IconName } from "./icons";
import { useCountdown, useFocusOnward } from "./use-state";

/** Tries after which a lost connection is more than a moment's trouble. */
const AWAY_AFTER = 3;

interface Action {
  label: string;
  run(): void;
}

interface CardProps {
  name: string;
  icon: IconName;
  title: string;
  children: ComponentChildren;
  actions: Action[];
}

/** Something stands in the way of talking: what it is, and what one can do about it. Typing goes on below. */
function Card({ name, icon, title, children, actions }: CardProps) {
  const part = useFocusOnward<HTMLElement>();
  return (
    <section class="hurdle" ref={part} data-testid={`banner-${name}`}>
      <span class="hurdle-icon">
        <Icon name={icon} size={22} />
      </span>
      <div class="hurdle-words">
        <h2>{title}</h2>
        {children}
        <div class="hurdle-actions">
          {actions.map((action, i) => (
            <button
              key={action.label}
              type="button"
              class={i === 0 ? "button button-small button-primary" : "button button-small"}
              data-testid={i === 0 ? `${name}-primary` : `${name}-secondary`}
              onClick={action.run}
            >
              {action.label}
            </button>
          ))}
        </div>
      </div>
    </section>
  );
}

export type HurdleName = "microphone" | "fallback" | "away";

/** What stands most in the way now. */
export function hurdleOf(state: SessionState): HurdleName | null {
  if (state.phase.name !== "live" && state.phase.name !== "starting") return null;
  if (state.link.name === "waiting" && state.link.attempt >= AWAY_AFTER) return "away";
  if (state.fallback !== null) return "fallback";
  return ["off", "asking", "on"].includes(state.microphone) ? null : "microphone";
}

export function Hurdle({ controller, state }: { controller: SessionController; state: SessionState }) {
  switch (hurdleOf(state)) {
    case "away":
      return state.link.name === "waiting" ? <Away controller={controller} link={state.link} /> : null;
    case "fallback":
      return <Fallback controller={controller} message={state.fallback ?? ""} />;
    case "microphone":
      return <NoMicrophone controller={controller} state={state} />;
    case null:
      return null;
  }
}

function focusMessage(): void {
  document.getElementById("message")?.focus();
}

function Away({ controller, link }: { controller: SessionController; link: Extract<Link, { name: "waiting" }> }) {
  const seconds = useCountdown(link.retryAtMs);
  const offline = !navigator.onLine;
  return (
    <Card
      name="reconnecting"
      icon="cloud"
      title={offline ? "You are offline" : "The server does not answer"}
      actions={[
        { label: "Try now", run: () => controller.reconnectNow() },
        { label: "Start again", run: () => controller.again() },
      ]}
    >
      <p>
        Your tasks are saved, and this conversation waits for you.{" "}
        {offline ? "It goes on when your network is back." : "I keep trying"}
        {!offline && <span aria-hidden="true">{seconds > 1 ? `, next in ${seconds} s` : " now"}</span>}
        {!offline && "."}
      </p>
    </Card>
  );
}

function Fallback({ controller, message }: { controller: SessionController; message: string }) {
  return (
    <Card
      name="fallback"
      icon="keyboard"
      title="Voice is out of order just now"
      actions={[
        { label: "Type instead", run: focusMessage },
        { label: "Start again", run: () => controller.again() },
      ]}
    >
      <p>{message}</p>
    </Card>
  );
}

interface Trouble {
  icon: IconName;
  title: string;
  text: string;
  retry: string | null;
}

const TROUBLES: Record<"denied" | "missing" | "busy" | "unsupported" | "lost", Trouble> = {
  denied: {
    icon: "muted",
    title: "Your browser keeps the microphone from this page",
    text: "Press the sign beside the address, allow the microphone, and try again.",
    retry: "Try again",
  },
  missing: {
    icon: "plug",
    title: "There is no microphone",
    text: "Plug one in or switch a headset on. This page notices it by itself.",
    retry: "Look again",
  },
  busy: {
    icon: "muted",
    title: "Another program holds the microphone",
    text: "Close the other call or recorder, and try again.",
    retry: "Try again",
  },
  unsupported: {
    icon: "muted",
    title: "This browser cannot use the microphone here",
    text: "Talking needs a current browser and a secure address, one that begins with https.",
    retry: null,
  },
  lost: {
    icon: "plug",
    title: "Your microphone is gone",
    text: "It was unplugged, or taken by the system. Nobody hears you just now; the conversation goes on.",
    retry: "Try again",
  },
};

function NoMicrophone({ controller, state }: { controller: SessionController; state: SessionState }) {
  const { microphone, microphones } = state;
  if (microphone === "off" || microphone === "asking" || microphone === "on") return null;
  const trouble = TROUBLES[microphone];
  const other = microphone === "lost" || microphone === "missing" ? firstOther(microphones, state.microphoneId) : null;
  const typing = { label: "Type instead", run: () => typeInstead(controller) };
  const retry =
    other === null
      ? { label: trouble.retry ?? "", run: () => void controller.openMicrophone() }
      : { label: `Use ${other.label}`, run: () => void controller.chooseMicrophone(other.id) };
  return (
    <Card
      name="microphone"
      icon={trouble.icon}
      title={trouble.title}
      actions={trouble.retry === null ? [typing] : [retry, typing]}
    >
      <p data-testid="microphone-trouble" data-trouble={microphone}>
        {trouble.text}
      </p>
    </Card>
  );
}

/** A microphone that is here now; the system's choice comes last, for nobody knows what it is. */
function firstOther(microphones: MicrophoneChoice[], gone: string): MicrophoneChoice | null {
  return microphones.find(({ id }) => id !== "" && id !== gone) ?? microphones.find(({ id }) => id !== "") ?? null;
}

function typeInstead(controller: SessionController): void {
  controller.typeInstead();
  focusMessage();
}
