import type { Ref } from "preact";
import type { PushToTalk } from "../session/push-to-talk";
import type { SessionState } from "../session/state";
import { Icon } from "./icons";

/** Held by a finger, a mouse or a key: the microphone is open meanwhile. */
export function HoldButton({
  push,
  state,
  field,
}: {
  push: PushToTalk;
  state: SessionState;
  field: Ref<HTMLButtonElement>;
}) {
  const isKey = (event: KeyboardEvent) => event.key === " " || event.key === "Enter";
  const onKeyDown = (event: KeyboardEvent) => {
    if (!isKey(event)) return;
    event.preventDefault();
    if (!event.repeat) push.press();
  };
  const onKeyUp = (event: KeyboardEvent) => {
    if (!isKey(event)) return;
    event.preventDefault();
    push.release();
  };
  const onPointerDown = (event: PointerEvent & { currentTarget: HTMLButtonElement }) => {
    if (event.button !== 0) return;
    // Captured, so that a finger that slides off the button still lets go when it is lifted.
    event.currentTarget.setPointerCapture(event.pointerId);
    push.press();
  };
  const onClick = (event: MouseEvent) => {
    // Speech control and switches click without holding anything: for them it is a switch.
    if (event.detail !== 0) return;
    if (state.held) push.release();
    else push.press();
  };
  return (
    <button
      type="button"
      class={state.held ? "hold hold-held" : "hold"}
      ref={field}
      data-testid="push-to-talk"
      aria-pressed={state.held}
      disabled={!push.possible}
      onKeyDown={onKeyDown}
      onKeyUp={onKeyUp}
      onBlur={() => push.drop()}
      onPointerDown={onPointerDown}
      onPointerUp={() => push.release()}
      onPointerCancel={() => push.drop()}
      onLostPointerCapture={() => push.release()}
      onContextMenu={(event) => event.preventDefault()}
      onClick={onClick}
    >
      <Icon name={state.held ? "microphone" : "muted"} />
      <span>{state.held ? "I’m listening" : "Hold to talk"}</span>
      <kbd>space</kbd>
    </button>
  );
}
