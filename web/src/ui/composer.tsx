import { useRef } from "preact/hooks";
import type { SessionController } from "../session/controller";
import { TEXT_LIMIT } from "../session/protocol";
import { ScreenShare } from "../session/screen";
import { isListening, type SessionState } from "../session/state";
import { AudioMenu } from "./audio-menu";
import { HoldButton } from "./hold-button";
import { Icon } from "./icons";

/** Characters left from which on they are counted aloud. */
const NEARLY_FULL = 200;

/** The microphone's switch and the text box, which works whatever the voice does. */
export function Composer({ controller, state }: { controller: SessionController; state: SessionState }) {
  // Not this part's own: it comes and goes with the screens, and what somebody typed must not go with it.
  const text = state.draft;
  const setText = (typed: string) => controller.store.dispatch({ type: "draft", text: typed });
  const input = useRef<HTMLInputElement>(null);
  const hold = useRef<HTMLButtonElement>(null);
  const busy = state.sending || state.phase.name !== "live";
  // Also while another one is being opened: the menu in which it was chosen must not vanish.
  const hasMicrophone = state.microphone === "on" || (state.microphone === "asking" && state.phase.name === "live");
  const isPush = hasMicrophone && state.talkMode === "push";
  const submit = (event: Event) => {
    event.preventDefault();
    const message = text.trim();
    if (message === "" || busy) return;
    // Emptied at once, so that the next thought can be typed.
    setText("");
    void controller.typing.send(message);
    input.current?.focus();
  };
  const focusHold = () => {
    // In this mode the space bar talks, and on the menu's own button it would open the menu again.
    if (controller.store.state.talkMode !== "push" || hold.current === null) return false;
    hold.current.focus();
    return true;
  };
  const left = TEXT_LIMIT - text.length;
  return (
    <form class="composer" onSubmit={submit}>
      {isPush && <HoldButton push={controller.push} state={state} field={hold} />}
      <div class="composer-row">
        <div class="microphone-group">
          {!isPush && <MicrophoneButton controller={controller} state={state} />}
          {hasMicrophone && <AudioMenu controller={controller} state={state} onClosed={focusHold} />}
          {state.screens && ScreenShare.isPossible && <ScreenButton controller={controller} state={state} />}
        </div>
        <label class="visually-hidden" for="message">
          Message
        </label>
        <input
          id="message"
          ref={input}
          class="composer-input"
          data-testid="text-input"
          type="text"
          autocomplete="off"
          enterkeyhint="send"
          maxLength={TEXT_LIMIT}
          placeholder={state.microphone === "on" ? "Or type here" : "Type a message"}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button
          type="submit"
          class="round round-send"
          data-testid="text-send"
          aria-label="Send"
          disabled={busy || text.trim() === ""}
        >
          <Icon name="send" />
        </button>
      </div>
      {left <= NEARLY_FULL && (
        <p class="composer-note numeric" role="status">
          {left} characters left
        </p>
      )}
      {state.mode === "type" && left > NEARLY_FULL && (
        <p class="composer-note" data-testid="kept-note">
          No audio is recorded. What you type is kept as text with this conversation.
        </p>
      )}
    </form>
  );
}

function ScreenButton({ controller, state }: { controller: SessionController; state: SessionState }) {
  const on = state.screen === "on";
  const words = on ? "Stop sharing the screen" : "Share the screen";
  return (
    <button
      type="button"
      class={on ? "round round-live" : "round"}
      data-testid="share-screen"
      aria-pressed={on}
      aria-label="Share the screen"
      title={words}
      disabled={state.screen === "asking" || state.phase.name !== "live"}
      onClick={() => (on ? controller.screen.stop() : void controller.screen.start())}
    >
      <Icon name="screen" />
    </button>
  );
}

function MicrophoneButton({ controller, state }: { controller: SessionController; state: SessionState }) {
  if (state.microphone !== "on") {
    return (
      <button
        type="button"
        class="round"
        data-testid="microphone-on"
        aria-label="Turn the microphone on"
        title="Turn the microphone on"
        disabled={state.microphone === "asking" || state.phase.name !== "live"}
        onClick={() => void controller.openMicrophone()}
      >
        <Icon name="muted" />
      </button>
    );
  }
  const heard = isListening(state);
  // Red is the caller's own doing; grey is a microphone that is open to nobody.
  const look = heard ? "round round-live" : state.muted ? "round round-muted" : "round";
  return (
    <button
      type="button"
      class={look}
      data-testid="mute"
      data-heard={heard}
      aria-pressed={state.muted}
      aria-label="Mute"
      title={`${heard || state.muted ? "" : "Nobody hears you now. "}${state.muted ? "Unmute" : "Mute"}`}
      onClick={(event) => {
        controller.setMuted(!state.muted);
        // Who points needs no focus here, and holding the space bar should talk, not press this button again.
        if (event.detail > 0) document.getElementById("talk")?.focus();
      }}
    >
      <Icon name={heard ? "microphone" : "muted"} />
    </button>
  );
}
