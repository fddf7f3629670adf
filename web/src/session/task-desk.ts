import { ApiError, api, type Credentials, type TaskFields } from "./api";
import type { Task } from "./protocol";
import type { Store } from "./store";

/** How long an undo is offered, in ms. */
const UNDO_FOR_MS = 15_000;
/** How often a list is asked for that changes while it is read. */
const READS = 3;

type Step = (session: Credentials) => Promise<void>;

/** One change by hand and its way back. */
interface Change {
  label: string;
  id: string;
  title: string;
  /** What it left, as far as it is taken back; null where it left no task. */
  left: TaskFields | null;
  back: Step;
}

function fieldsOf(task: Task): Required<TaskFields> {
  return { title: task.title, status: task.status, due: task.due, priority: task.priority };
}

/** Of a task only these fields. */
function only(task: Task, keys: string[]): TaskFields {
  return Object.fromEntries(Object.entries(fieldsOf(task)).filter(([key]) => keys.includes(key)));
}

const named = ({ id, title }: Task) => ({ id, title });

/** Tasks changed by hand, through the HTTP API, each change with its way back. */
export class TaskDesk {
  /** What can be taken back, the last change last. */
  private changes: Change[] = [];
  private isUndoing = false;
  /** Somebody is at the undo: it does not go away under their hands. */
  private isHeld = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly credentials: () => Credentials | null,
  ) {}

  /** The list as the server has it; after a failure, which is shown where it `tells`, the old list stays. */
  async refresh(tells = true): Promise<void> {
    await this.run((session) => this.read(session), tells ? "Your tasks could not be read." : null);
  }

  async add(title: string): Promise<boolean> {
    return this.run(async (session) => {
      const task = await this.saved(() => api.addTask(session, { title }));
      const back = (now: Credentials) => this.drop(now, task.id);
      this.offerUndo({ label: `Added “${task.title}”`, ...named(task), left: fieldsOf(task), back });
    });
  }

  async change(task: Task, fields: TaskFields, label: string): Promise<boolean> {
    return this.run(async (session) => {
      const keys = Object.keys(fields);
      const left = only(await this.patch(session, task.id, fields), keys);
      const back = async (now: Credentials) => void (await this.patch(now, task.id, only(task, keys)));
      this.offerUndo({ label, ...named(task), left, back });
    });
  }

  async remove(task: Task): Promise<boolean> {
    return this.run(async (session) => {
      await this.drop(session, task.id);
      const back = (now: Credentials) => this.restore(now, task.id);
      this.offerUndo({ label: `Deleted “${task.title}”`, ...named(task), left: null, back });
    });
  }

  /** Takes the last change by hand back, and offers the one before it. What fails is offered again; what is no longer as it was left is not touched. */
  async undo(): Promise<void> {
    const change = this.changes.at(-1);
    const session = this.credentials();
    if (change === undefined || session === null || this.isUndoing) return;
    const stale = this.changedSince(change);
    if (stale !== null) {
      this.store.dispatch({ type: "notice", notice: stale });
      return this.settle(change);
    }
    this.isUndoing = true;
    try {
      await change.back(session);
      this.settle(change);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.store.dispatch({ type: "notice", notice: `This could not be taken back. ${error.message}` });
      if (error.status === 404) this.settle(change);
      else this.showUndo();
    } finally {
      this.isUndoing = false;
    }
  }

  /** Says that a task is gone that somebody was at work on, and where the title is that they typed. */
  tellGone(title: string, typed: string, isKept: boolean): void {
    const where = isKept ? "What you typed is in the box for a new task." : `You had typed “${typed}”.`;
    const notice = `“${title}” was deleted while you edited it. ${typed === "" ? "" : where}`.trim();
    this.store.dispatch({ type: "notice", notice });
  }

  dismissUndo(): void {
    this.changes = [];
    this.showUndo();
  }

  /** Whether somebody is at the undo, with the focus or the pointer; the time begins anew when they leave. */
  holdUndo(held: boolean): void {
    if (held === this.isHeld) return;
    this.isHeld = held;
    this.wait();
  }

  /** Why a change is not to be taken back: somebody was quicker. Null where it is as it was left. */
  private changedSince({ id, title, left }: Change): string | null {
    const now = this.store.state.tasks.find((task) => task.id === id);
    if (left === null) return now === undefined ? null : `“${title}” is on the list again already.`;
    if (now === undefined) return `“${title}” is not there any more, and nothing was taken back.`;
    const is = JSON.stringify(only(now, Object.keys(left)));
    const was = JSON.stringify(only({ ...now, ...left }, Object.keys(left)));
    return is === was ? null : `“${now.title}” was changed since, and was left as it is now.`;
  }

  private settle(change: Change): void {
    this.changes = this.changes.filter((one) => one !== change);
    this.showUndo();
  }

  private offerUndo(change: Change): void {
    this.changes.push(change);
    this.showUndo();
  }

  private showUndo(): void {
    const last = this.changes.at(-1);
    const undo = last === undefined ? null : { label: last.label, more: this.changes.length - 1 };
    if (undo === null) this.isHeld = false;
    this.store.dispatch({ type: "undo", undo });
    this.wait();
  }

  private wait(): void {
    clearTimeout(this.timer);
    if (this.changes.length > 0 && !this.isHeld) this.timer = setTimeout(() => this.dismissUndo(), UNDO_FOR_MS);
  }

  /** A list that was asked for before something changed here may come after it, and is asked for anew. */
  private async read(session: Credentials): Promise<void> {
    for (let tries = 0; tries < READS; tries++) {
      const before = this.store.state.tasks;
      const tasks = await api.tasks(session);
      if (this.credentials()?.sessionId !== session.sessionId) return;
      if (this.store.state.tasks !== before) continue;
      this.store.dispatch({ type: "tasks", tasks });
      return;
    }
    // It changes faster than it is read: the connection brings each list.
  }

  /** A task as the answer to a change has it. What the connection brought meanwhile may be newer. */
  private async saved(change: () => Promise<Task>): Promise<Task> {
    const before = this.store.state.tasks;
    const task = await change();
    const { tasks } = this.store.state;
    if (tasks === before) this.store.dispatch({ type: "task_saved", task });
    else if (!tasks.some((one) => JSON.stringify(one) === JSON.stringify(task))) await this.refresh(false);
    return task;
  }

  private async patch(session: Credentials, id: string, fields: TaskFields): Promise<Task> {
    return this.saved(() => api.changeTask(session, id, fields));
  }

  private async drop(session: Credentials, id: string): Promise<void> {
    const before = this.store.state.tasks;
    await api.deleteTask(session, id);
    const { tasks } = this.store.state;
    if (tasks === before) this.store.dispatch({ type: "task_gone", id });
    else if (tasks.some((one) => one.id === id)) await this.refresh(false);
  }

  private async restore(session: Credentials, id: string): Promise<void> {
    await this.saved(() => api.restoreTask(session, id));
  }

  private async run(step: Step, failed: string | null = "The task list could not be changed."): Promise<boolean> {
    const session = this.credentials();
    if (session === null) return false;
    try {
      await step(session);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (failed !== null) this.store.dispatch({ type: "notice", notice: `${failed} ${error.message}` });
      return false;
    }
  }
}
