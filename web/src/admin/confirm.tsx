import { useEffect, useRef, useState } from "preact/hooks";

interface Props {
  title: string;
  detail: string;
  /** A word to be typed first, for what cannot be taken back. */
  word?: string;
  action: string;
  onYes(): void;
  onNo(): void;
}

/** Asked before anything that callers feel. The focus is on what changes nothing. */
export function Confirm({ title, detail, word, action, onYes, onNo }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const first = useRef<HTMLInputElement & HTMLButtonElement>(null);
  const [typed, setTyped] = useState("");
  useEffect(() => {
    dialog.current?.showModal();
    first.current?.focus();
  }, []);
  const allowed = word === undefined || typed.trim().toLowerCase() === word;
  return (
    <dialog
      ref={dialog}
      class="confirm"
      aria-labelledby="confirm-title"
      aria-describedby="confirm-detail"
      data-testid="confirm"
      onCancel={(event) => {
        event.preventDefault();
        onNo();
      }}
      // A browser may close it without asking; then it must not be thought to be open still.
      onClose={onNo}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (allowed) onYes();
        }}
      >
        <h2 id="confirm-title">{title}</h2>
        <p id="confirm-detail">{detail}</p>
        {word !== undefined && (
          <label>
            <span>
              To go on, type <strong>{word}</strong>
            </span>
            <input
              ref={first}
              value={typed}
              autocomplete="off"
              data-testid="confirm-word"
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
          </label>
        )}
        <div class="confirm-acts">
          <button
            type="button"
            class="button"
            ref={word === undefined ? first : null}
            data-testid="confirm-no"
            onClick={onNo}
          >
            Leave it
          </button>
          <button type="submit" class="button button-danger" disabled={!allowed} data-testid="confirm-yes">
            {action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
