import { ApiError, api, type Credentials, type TaskFields } from "./api";
import type { Task } from "./protocol";
import type { Store } from "./store";

/** How long an undo is offered, in ms. */
const UNDO_FOR_MS = 15_000;
/** How often a list is asked for that changes while it is read. */
const READS = 3;

type Step = (session: Credentials) => Promise<void>;

function fieldsOf(task: Task): Required<TaskFields> {
  return { title: task.title, status: task.status, due: task.due, priority: task.priority };
}

/** Tasks changed by hand, through the HTTP API, each change with its way back. */
export class TaskDesk {
  private inverse: Step | null = null;
  private token = 0;
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
      this.offerUndo(`Added “${task.title}”`, (now) => this.drop(now, task.id));
    });
  }

  async change(task: Task, fields: TaskFields, label: string): Promise<boolean> {
    return this.run(async (session) => {
      await this.patch(session, task.id, fields);
      const before = fieldsOf(task);
      const back = Object.fromEntries(
        Object.keys(fields).map((key) => [key, before[key as keyof TaskFields]]),
      ) as TaskFields;
      this.offerUndo(label, (now) => this.patch(now, task.id, back));
    });
  }

  async remove(task: Task): Promise<boolean> {
    return this.run(async (session) => {
      await this.drop(session, task.id);
      this.offerUndo(`Deleted “${task.title}”`, (now) => this.restore(now, task.id));
    });
  }

  /** Takes the last change by hand back. */
  async undo(): Promise<boolean> {
    const inverse = this.inverse;
    if (inverse === null) return false;
    this.dismissUndo();
    return this.run(inverse);
  }

  dismissUndo(): void {
    this.inverse = null;
    clearTimeout(this.timer);
    this.store.dispatch({ type: "undo", undo: null });
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

  private async patch(session: Credentials, id: string, fields: TaskFields): Promise<void> {
    await this.saved(() => api.changeTask(session, id, fields));
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

  private offerUndo(label: string, inverse: Step): void {
    clearTimeout(this.timer);
    this.inverse = inverse;
    this.store.dispatch({ type: "undo", undo: { label, token: ++this.token } });
    this.timer = setTimeout(() => this.dismissUndo(), UNDO_FOR_MS);
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
