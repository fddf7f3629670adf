import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Task } from "../session/protocol";
import type { SessionState, Undo } from "../session/state";
import type { TaskDesk } from "../session/task-desk";
import { arrange } from "./format";
import { Icon } from "./icons";
import { TaskRow } from "./task-row";
import { useFocusOnward } from "./use-state";

/** The task that is being edited by hand. */
interface Edited {
  id: string;
  title: string;
  /** The title that is typed; empty while it is the task's own. */
  typed: string;
  wasOpen: boolean;
}

/** The list as it is on the server, changing while one speaks, and changed by hand. */
export function Tasks({ desk, state }: { desk: TaskDesk; state: SessionState }) {
  const heading = useRef<HTMLHeadingElement>(null);
  // Not to the text field: on a phone that would bring the keyboard up.
  const toHeading = () => heading.current?.focus();
  const [edited, setEdited] = useState<Edited | null>(null);
  const [added, setAdded] = useState("");
  const { open, done } = arrange(state.tasks, edited?.wasOpen === true ? edited.id : null);
  const usable = state.phase.name === "live";
  const part = useRef<HTMLElement>(null);
  useChangeInSight(part, state.changed, edited !== null);
  useGoneWhileEdited(state, edited, (typed) => {
    setEdited(null);
    // The row took the focus with it.
    if (document.activeElement === document.body) toHeading();
    const isKept = typed !== "" && added === "";
    if (isKept) setAdded(typed);
    if (usable) desk.tellGone(edited?.title ?? "", typed, isKept);
  });
  const row = (task: Task) => (
    <TaskRow
      key={task.id}
      task={task}
      desk={desk}
      changed={state.changed.includes(task.id)}
      usable={usable}
      editing={edited?.id === task.id}
      onEdit={(editing) => {
        setEdited(editing ? { id: task.id, title: task.title, typed: "", wasOpen: task.status === "open" } : null);
        // A row that goes to the done ones now takes no focus with it.
        if (!editing && edited?.wasOpen === true && task.status === "done") toHeading();
      }}
      onTyped={(typed) => setEdited((now) => (now === null ? null : { ...now, typed }))}
      onGone={toHeading}
    />
  );
  return (
    <section class="panel tasks" ref={part} aria-labelledby="tasks-title">
      <header class="panel-head">
        <h2 id="tasks-title" ref={heading} tabIndex={-1}>
          Tasks
        </h2>
        <span class="count" data-testid="task-count">
          {state.tasksLoaded && `${state.tasks.filter(({ status }) => status === "open").length} open`}
        </span>
      </header>
      <AddTask desk={desk} usable={usable} title={added} onTitle={setAdded} />
      <div class="tasks-scroll">
        <ul class="task-list" data-testid="task-list" aria-label="Open tasks">
          {open.map(row)}
        </ul>
        {open.length === 0 && (
          <p class="empty" data-testid="tasks-empty">
            {state.tasksLoaded ? "Nothing to do. Say or type what comes next." : "Your tasks appear here."}
          </p>
        )}
        {done.length > 0 && (
          <details class="done">
            <summary>
              Done <span class="numeric">{done.length}</span>
            </summary>
            <ul class="task-list" data-testid="done-list" aria-label="Done tasks">
              {done.map(row)}
            </ul>
          </details>
        )}
      </div>
      {/* It stands there before there is anything to say: what comes with its words is not always read out. */}
      <div class="undo-place" role="status">
        {state.undo !== null && <UndoBar undo={state.undo} desk={desk} onGone={toHeading} />}
      </div>
    </section>
  );
}

/** What just changed may be far down a long list: it is shown, unless somebody is at work on another one. */
function useChangeInSight(part: RefObject<HTMLElement | null>, changed: string[], busy: boolean): void {
  useEffect(() => {
    const last = changed.at(-1);
    if (last === undefined || busy) return;
    const row = part.current?.querySelector(`[data-status="open"][data-task-id="${CSS.escape(last)}"]`);
    row?.scrollIntoView({ block: "nearest" });
  }, [changed]);
}

/** Where an editor goes with its task, or with the conversation: nothing of it may be left to open by itself again. */
function useGoneWhileEdited(state: SessionState, edited: Edited | null, onGone: (typed: string) => void): void {
  const isOver = state.phase.name === "over" || state.phase.name === "consent";
  const isGone = edited !== null && (isOver || !state.tasks.some(({ id }) => id === edited.id));
  // Before the next key is handled: it would meet a page without focus.
  useLayoutEffect(() => {
    if (isGone) onGone(edited.typed.trim());
  }, [isGone]);
}

interface AddProps {
  desk: TaskDesk;
  usable: boolean;
  title: string;
  onTitle(title: string | ((typed: string) => string)): void;
}

function AddTask({ desk, usable, title, onTitle: setTitle }: AddProps) {
  const submit = async (event: Event) => {
    event.preventDefault();
    const wanted = title.trim();
    if (wanted === "") return;
    setTitle("");
    if (!(await desk.add(wanted))) setTitle((typed) => (typed === "" ? wanted : typed));
  };
  return (
    <form class="add-task" onSubmit={submit}>
      <label class="visually-hidden" for="new-task">
        New task
      </label>
      <Icon name="plus" size={18} />
      <input
        id="new-task"
        data-testid="task-add-input"
        type="text"
        autocomplete="off"
        maxLength={200}
        placeholder="Add a task"
        value={title}
        disabled={!usable}
        onInput={(event) => setTitle(event.currentTarget.value)}
      />
      <button
        type="submit"
        class="button button-small"
        data-testid="task-add"
        disabled={!usable || title.trim() === ""}
      >
        Add
      </button>
    </form>
  );
}

function UndoBar({ undo, desk, onGone }: { undo: Undo; desk: TaskDesk; onGone(): void }) {
  const part = useFocusOnward<HTMLDivElement>(onGone);
  const pointed = useRef(false);
  const hold = () => desk.holdUndo(pointed.current || part.current?.contains(document.activeElement) === true);
  const point = (isThere: boolean) => {
    pointed.current = isThere;
    hold();
  };
  return (
    <div
      class="undo"
      data-testid="undo-bar"
      ref={part}
      onFocusIn={hold}
      // Before the focus is where it goes to, it is nowhere.
      onFocusOut={() => requestAnimationFrame(hold)}
      // A finger does not stay.
      onPointerEnter={(event) => point(event.pointerType === "mouse")}
      onPointerLeave={() => point(false)}
    >
      <span class="undo-label">{undo.label}</span>
      {undo.more > 0 && (
        <span class="undo-more">
          <span class="visually-hidden">and </span>
          {undo.more} earlier
        </span>
      )}
      <button type="button" class="link-button" data-testid="undo" onClick={() => void desk.undo()}>
        Undo
      </button>
      <button type="button" class="quiet-icon" aria-label="Dismiss" onClick={() => desk.dismissUndo()}>
        <Icon name="close" size={16} />
      </button>
    </div>
  );
}
