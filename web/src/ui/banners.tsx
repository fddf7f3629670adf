import type { ComponentChildren } from "preact";
import type { SessionController } from "../session/controller";
import type { Link, SessionState } from "../session/state";
import { hurdleOf } from "./hurdle";
import { Icon, type IconName } from "./icons";
import { useCountdown, useFocusOnward } from "./use-state";

interface BannerProps {
  name: string;
  icon: IconName;
  tone: "calm" | "warn";
  children: ComponentChildren;
  action?: { label: string; run(): void };
}

function Banner({ name, icon, tone, children, action }: BannerProps) {
  const part = useFocusOnward<HTMLDivElement>();
  return (
    <div ref={part} class={`banner banner-${tone}`} data-testid={`banner-${name}`}>
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

/** What is not quite as it should be, each with its way out; what stands in the way of talking is a `Hurdle`. */
export function Banners({ controller, state }: { controller: SessionController; state: SessionState }) {
  const hurdle = hurdleOf(state);
  return (
    <div class="banners" role="status">
      {state.link.name === "waiting" && hurdle !== "away" && (
        <Reconnecting link={state.link} onNow={() => controller.reconnectNow()} />
      )}
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
      {state.soundBlocked && state.mode !== "type" && (
        <Banner
          name="sound"
          icon="sound"
          tone="calm"
          action={{ label: "Turn sound on", run: () => void controller.unblockSound() }}
        >
          Your browser holds the sound back until you touch this page.
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
  moved: "Your call is moving to another server.",
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
