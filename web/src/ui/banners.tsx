import type { ComponentChildren } from "preact";
import type { SessionController } from "../session/controller";
import type { Link, Microphone, SessionState } from "../session/state";
import { Icon, type IconName } from "./icons";
import { useCountdown } from "./use-state";

interface BannerProps {
  name: string;
  icon: IconName;
  tone: "calm" | "warn";
  children: ComponentChildren;
  action?: { label: string; run(): void };
}

function Banner({ name, icon, tone, children, action }: BannerProps) {
  return (
    <div class={`banner banner-${tone}`} role="status" data-testid={`banner-${name}`}>
      <Icon name={icon} size={18} />
      <p>{children}</p>
      {action !== undefined && (
        <button type="button" class="link-button" onClick={action.run}>
          {action.label}
        </button>
      )}
    </div>
  );
}

const MICROPHONE_WORDS: Partial<Record<Microphone, string>> = {
  denied: "The browser does not let this page use the microphone. Allow it beside the address, or just type.",
  missing: "No microphone was found. Plug one in and try again, or just type.",
  busy: "Another program holds the microphone. Close it and try again, or just type.",
  unsupported: "This browser cannot use the microphone here. Typing works.",
};

/** What is not as it should be, each with its way out; the conversation goes on below. */
export function Banners({ controller, state }: { controller: SessionController; state: SessionState }) {
  const microphone = MICROPHONE_WORDS[state.microphone];
  return (
    <div class="banners">
      {state.link.name === "waiting" && <Reconnecting link={state.link} onNow={() => controller.reconnectNow()} />}
      {state.link.name === "text_only" && (
        <Banner
          name="text-only"
          icon="keyboard"
          tone="warn"
          action={{ label: "Try voice again", run: () => controller.reconnectNow() }}
        >
          Voice does not get through from here. Typing works.
        </Banner>
      )}
      {state.fallback !== null && (
        <Banner name="fallback" icon="keyboard" tone="warn">
          {state.fallback}
        </Banner>
      )}
      {microphone !== undefined && (
        <Banner
          name="microphone"
          icon="muted"
          tone="warn"
          action={{ label: "Try again", run: () => void controller.openMicrophone() }}
        >
          {microphone}
        </Banner>
      )}
      {state.soundBlocked && (
        <Banner
          name="sound"
          icon="sound"
          tone="calm"
          action={{ label: "Turn sound on", run: () => void controller.unblockSound() }}
        >
          Your browser holds the sound back.
        </Banner>
      )}
      {state.notice !== null && (
        <Banner
          name="notice"
          icon="alert"
          tone="warn"
          action={{ label: "Dismiss", run: () => controller.store.dispatch({ type: "notice", notice: null }) }}
        >
          {state.notice}
        </Banner>
      )}
    </div>
  );
}

const WHY = {
  dropped: "The connection was lost.",
  restarting: "The server is restarting.",
  slow: "The connection was too slow.",
};

function Reconnecting({ link, onNow }: { link: Extract<Link, { name: "waiting" }>; onNow(): void }) {
  const seconds = useCountdown(link.retryAtMs);
  return (
    <Banner name="reconnecting" icon="alert" tone="warn" action={{ label: "Try now", run: onNow }}>
      {WHY[link.why]} Reconnecting
      <span aria-hidden="true">{seconds > 1 ? ` in ${seconds} s` : "…"}</span>
    </Banner>
  );
}
