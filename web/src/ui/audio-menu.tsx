import { useEffect, useRef, useState } from "preact/hooks";
import type { SessionController } from "../session/controller";
import type { SessionState, TalkMode } from "../session/state";
import { Icon } from "./icons";

interface Props {
  controller: SessionController;
  state: SessionState;
  /** Where the focus goes when the menu closes, if not to its own button. */
  onClosed(): boolean;
}

/** How one talks, and into which microphone. */
export function AudioMenu({ controller, state, onClosed }: Props) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const close = (andFocus: boolean) => {
    setOpen(false);
    if (andFocus && !onClosed()) button.current?.focus();
  };
  useEffect(() => {
    if (!open) return;
    root.current?.querySelector<HTMLInputElement>("input:checked")?.focus();
    const outside = (event: Event) => {
      if (event.target instanceof Node && root.current?.contains(event.target) !== true) setOpen(false);
    };
    const onEscape = (event: KeyboardEvent) => {
      if (event.key === "Escape") close(true);
    };
    document.addEventListener("keydown", onEscape);
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("keydown", onEscape);
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [open]);
  return (
    <div class="audio-menu" ref={root}>
      <button
        type="button"
        class={state.talkMode === "push" ? "round" : "menu-button"}
        ref={button}
        data-testid="audio-menu-open"
        aria-expanded={open}
        aria-controls="audio-menu"
        aria-label="Microphone settings"
        title="Microphone settings"
        onClick={() => (open ? close(true) : setOpen(true))}
      >
        {state.talkMode === "push" ? <Icon name="sliders" /> : <Icon name="chevron" size={18} />}
      </button>
      {open && (
        <div class="menu" id="audio-menu" data-testid="audio-menu">
          <TalkModes controller={controller} state={state} />
          <Microphones controller={controller} state={state} />
          <button type="button" class="button button-small menu-done" onClick={() => close(true)}>
            Done
          </button>
        </div>
      )}
    </div>
  );
}

const TALK_MODES: { talkMode: TalkMode; title: string; detail: string }[] = [
  { talkMode: "open", title: "Just speak", detail: "The microphone stays open." },
  { talkMode: "push", title: "Hold to talk", detail: "It is open while you hold the space bar or the button." },
];

function TalkModes({ controller, state }: { controller: SessionController; state: SessionState }) {
  return (
    <fieldset>
      <legend>How you talk</legend>
      {TALK_MODES.map(({ talkMode, title, detail }) => (
        <label key={talkMode} class="option">
          <input
            type="radio"
            name="talk-mode"
            data-testid={`talk-mode-${talkMode}`}
            checked={state.talkMode === talkMode}
            onChange={() => controller.setTalkMode(talkMode)}
          />
          <span>
            {title}
            <small>{detail}</small>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function Microphones({ controller, state }: { controller: SessionController; state: SessionState }) {
  // A remembered microphone that is not here today is not the one in use.
  const known = state.microphones.some(({ id }) => id === state.microphoneId);
  const used = known ? state.microphoneId : "";
  return (
    <fieldset>
      <legend>Microphone</legend>
      {state.microphones.length === 0 && <p class="menu-empty">Your browser does not say which there are.</p>}
      {state.microphones.map(({ id, label }) => (
        <label key={id} class="option">
          <input
            type="radio"
            name="microphone"
            data-testid="microphone-choice"
            value={id}
            checked={id === used}
            onChange={() => void controller.chooseMicrophone(id)}
          />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}
