import { useEffect, useRef } from "preact/hooks";
import { preloadWorklets } from "../audio/engine";
import { ALLOW, RECORD, TALK, TYPE, type Wording } from "../session/consent";
import type { Mode } from "../session/storage";
import { Icon, type IconName } from "./icons";

interface Choice extends Wording {
  mode: Mode;
  icon: IconName;
}

/** Besides recording: three honest choices, none of them dressed up as the right one. */
const OTHERS: Choice[] = [
  { ...TALK, mode: "talk", icon: "microphone" },
  { ...TYPE, mode: "type", icon: "keyboard" },
];

const recording = (wording: Wording): Choice => ({ ...wording, mode: "record", icon: "record" });

interface Props {
  notice: string | null;
  /** Whether this server keeps recordings at all. */
  records: boolean;
  onChoose(mode: Mode): void;
}

/** Asked before the browser is asked for the microphone; without an answer nothing runs. */
export function ConsentDialog({ notice, records, onChoose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const show = () => {
    dialog.current?.showModal();
    // On the heading and not on a choice: Return must not record somebody by accident.
    heading.current?.focus();
  };
  useEffect(() => {
    show();
    void preloadWorklets();
  }, []);
  return (
    <dialog
      ref={dialog}
      class="consent"
      data-testid="consent-dialog"
      aria-labelledby="consent-title"
      aria-describedby="consent-lead"
      onCancel={(event) => event.preventDefault()}
      // A browser closes it all the same for somebody who presses Escape again, or has touched nothing yet; only a choice leads on.
      onClose={show}
    >
      {notice !== null && (
        <p class="consent-notice" data-testid="consent-notice" role="status">
          {notice}
        </p>
      )}
      <h1 id="consent-title" ref={heading} tabIndex={-1}>
        Talk to your task list
      </h1>
      <p id="consent-lead" class="consent-lead">
        Say what needs doing and it lands on your list. First, choose how you want to take part.
      </p>
      <ul class="choices">
        {[recording(records ? RECORD : ALLOW), ...OTHERS].map((choice) => (
          <li key={choice.mode}>
            <button
              type="button"
              class="choice"
              data-testid={`consent-${choice.mode}`}
              onClick={() => onChoose(choice.mode)}
            >
              <span class="choice-icon">
                <Icon name={choice.icon} size={22} />
              </span>
              <span class="choice-text">
                <span class="choice-title">{choice.title}</span>
                <span class="choice-detail">{choice.detail}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
      <p class="consent-foot">
        If you talk, your browser asks for the microphone next. Either way the words are kept as text with this
        conversation, so that a broken connection does not lose the thread.
      </p>
    </dialog>
  );
}
