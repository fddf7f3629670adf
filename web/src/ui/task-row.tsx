import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { TaskFields } from "../session/api";
import type { Task } from "../session/protocol";
import type { TaskDesk } from "../session/task-desk";
import { formatDue } from "./format";
import { Icon } from "./icons";

interface Props {
  task: Task;
  desk: TaskDesk;
  /** It has just changed: shown for a moment. */
  changed: boolean;
  usable: boolean;
  /** It is being edited by hand. */
  editing: boolean;
  onEdit(editing: boolean): void;
  /** The title that is typed in the editor, which is not the task's until it is saved. */
  onTyped(title: string): void;
  /** The row is about to go: the focus needs another place. */
  onGone(): void;
}

export function TaskRow({ task, desk, changed, usable, editing, onEdit, onTyped, onGone }: Props) {
  const editButton = useRef<HTMLButtonElement>(null);
  const wasEditing = useRef(false);
  // Before the next key is handled, here and in the editor: after painting, a quick Escape would meet a page without focus.
  useLayoutEffect(() => {
    if (wasEditing.current && !editing) editButton.current?.focus();
    wasEditing.current = editing;
  }, [editing]);
  if (editing) {
    return <TaskEditor task={task} desk={desk} usable={usable} onTyped={onTyped} onClose={() => onEdit(false)} />;
  }
  const done = task.status === "done";
  const due = task.due === null ? null : formatDue(task.due, new Date(), done);
  const toggle = () => {
    const status = done ? "open" : "done";
    void desk.change(task, { status }, `${done ? "Reopened" : "Completed"} “${task.title}”`);
  };
  const remove = () => {
    onGone();
    void desk.remove(task);
  };
  return (
    <li
      class={`task${done ? " task-done" : ""}${changed ? " task-changed" : ""}`}
      data-testid="task"
      data-task-id={task.id}
      data-status={task.status}
    >
      <input
        type="checkbox"
        class="tick"
        data-testid="task-toggle"
        aria-label={`Done: ${task.title}`}
        checked={done}
        disabled={!usable}
        onChange={toggle}
      />
      <div class="task-body">
        <span class="task-title" data-testid="task-title">
          {task.title}
        </span>
        {(due !== null || task.priority !== "normal") && (
          <span class="task-meta">
            {due !== null && (
              <span class={`due due-${due.tone}`} data-testid="task-due" data-due={task.due}>
                <Icon name="calendar" size={14} />
                {due.tone === "overdue" && <span class="visually-hidden">Overdue: </span>}
                {due.text}
              </span>
            )}
            {task.priority !== "normal" && (
              <span class={`priority priority-${task.priority}`} data-testid="task-priority">
                {task.priority === "high" ? "High priority" : "Low priority"}
              </span>
            )}
          </span>
        )}
      </div>
      <div class="task-actions">
        <button
          type="button"
          class="quiet-icon"
          ref={editButton}
          data-testid="task-edit"
          aria-label={`Edit: ${task.title}`}
          disabled={!usable}
          onClick={() => onEdit(true)}
        >
          <Icon name="pencil" size={17} />
        </button>
        <button
          type="button"
          class="quiet-icon"
          data-testid="task-delete"
          aria-label={`Delete: ${task.title}`}
          disabled={!usable}
          onClick={remove}
        >
          <Icon name="trash" size={17} />
        </button>
      </div>
    </li>
  );
}

/** Brings an element into sight, and again when the room around it changes: the timing opens, the undo appears. Returns how to stop. */
function keptInSight(element: HTMLElement | null): () => void {
  const observer = new ResizeObserver(() => element?.scrollIntoView({ block: "nearest" }));
  // An observer tells the first size, too: after the layout of this change, which is when it can be scrolled to.
  for (let around = element; around !== null; around = around.parentElement) observer.observe(around);
  return () => observer.disconnect();
}

interface EditorProps {
  task: Task;
  desk: TaskDesk;
  usable: boolean;
  onTyped(title: string): void;
  onClose(): void;
}

/** What is not touched here follows the task: it may change by voice meanwhile, and Save takes none of that back. */
function TaskEditor({ task, desk, usable, onTyped, onClose }: EditorProps) {
  const [titleTyped, setTitle] = useState<string | null>(null);
  const [dayTyped, setDay] = useState<string | null>(null);
  const [timeTyped, setTime] = useState<string | null>(null);
  const [priorityChosen, setPriority] = useState<Task["priority"] | null>(null);
  const title = titleTyped ?? task.title;
  const day = dayTyped ?? (task.due ?? "").slice(0, 10);
  const time = timeTyped ?? (task.due ?? "").slice(11, 16);
  const priority = priorityChosen ?? task.priority;
  const field = useRef<HTMLInputElement>(null);
  const part = useRef<HTMLLIElement>(null);
  useLayoutEffect(() => {
    // Selecting alone brings the focus along in some browsers only.
    field.current?.focus();
    field.current?.select();
    return keptInSight(part.current);
  }, []);
  const save = async (event: Event) => {
    event.preventDefault();
    const fields: TaskFields = {};
    if (title.trim() !== "" && title.trim() !== task.title) fields.title = title.trim();
    // The server's dates have no time zone, and the fields' neither: both mean the caller's own day and hour.
    const due = day !== "" && time !== "" ? `${day}T${time}` : day;
    const dated = dayTyped !== null || timeTyped !== null;
    if (dated && due !== (task.due ?? "")) fields.due = due === "" ? null : due;
    if (priority !== task.priority) fields.priority = priority;
    if (Object.keys(fields).length === 0 || (await desk.change(task, fields, `Changed “${task.title}”`))) onClose();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") onClose();
  };
  return (
    <li class="task task-editing" ref={part} data-testid="task-editor">
      <form onSubmit={save} onKeyDown={onKeyDown}>
        <label>
          <span>Title</span>
          <input
            ref={field}
            type="text"
            data-testid="edit-title"
            maxLength={200}
            required
            value={title}
            onInput={(event) => {
              setTitle(event.currentTarget.value);
              onTyped(event.currentTarget.value);
            }}
          />
        </label>
        <div class="edit-row">
          <label class="edit-due">
            <span>Due</span>
            <input
              type="date"
              data-testid="edit-due"
              value={day}
              onInput={(event) => setDay(event.currentTarget.value)}
            />
          </label>
          <label class="edit-time">
            <span>Time</span>
            <input
              type="time"
              data-testid="edit-time"
              value={time}
              disabled={day === ""}
              onInput={(event) => setTime(event.currentTarget.value)}
            />
          </label>
          <label class="edit-priority">
            <span>Priority</span>
            <select
              data-testid="edit-priority"
              value={priority}
              onChange={(event) => setPriority(event.currentTarget.value as Task["priority"])}
            >
              <option value="low">Low</option>
              <option value="normal">Normal</option>
              <option value="high">High</option>
            </select>
          </label>
        </div>
        <div class="edit-actions">
          <button type="submit" class="button button-primary button-small" data-testid="edit-save" disabled={!usable}>
            Save
          </button>
          <button type="button" class="button button-small" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </li>
  );
}
