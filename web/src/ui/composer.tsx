import { useRef, useState } from "preact/hooks";
import type { SessionController } from "../session/controller";
import { TEXT_LIMIT } from "../session/protocol";
import type { SessionState } from "../session/state";
import { Icon } from "./icons";

/** The microphone's switch and the text box, which works whatever the voice does. */
export function Composer({ controller, state }: { controller: SessionController; state: SessionState }) {
  const [text, setText] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const busy = state.sending || state.phase.name !== "live";
  const submit = async (event: Event) => {
    event.preventDefault();
    const message = text.trim();
    if (message === "" || busy) return;
    // Emptied at once, so that the next thought can be typed, and given back when it could not be sent.
    setText("");
    if (!(await controller.sendText(message))) setText((typed) => (typed === "" ? message : typed));
    input.current?.focus();
  };
  return (
    <form class="composer" onSubmit={submit}>
      <MicrophoneButton controller={controller} state={state} />
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
    </form>
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
  return (
    <button
      type="button"
      class={state.muted ? "round round-muted" : "round round-live"}
      data-testid="mute"
      aria-pressed={state.muted}
      aria-label="Mute"
      title={state.muted ? "Unmute" : "Mute"}
      onClick={() => controller.setMuted(!state.muted)}
    >
      <Icon name={state.muted ? "muted" : "microphone"} />
    </button>
  );
}
