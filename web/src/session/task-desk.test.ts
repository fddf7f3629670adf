import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Task } from "./protocol";
import { Store } from "./store";
import { TaskDesk } from "./task-desk";

const task = (id: string, fields: Partial<Task> = {}): Task => ({
  id,
  title: `Task ${id}`,
  status: "open",
  due: null,
  priority: "normal",
  created_at: `2026-01-01T00:00:0${id}Z`,
  completed_at: null,
  ...fields,
});

/** A call that was made, and how it is answered. */
interface Asked {
  what: string;
  body: unknown;
  answer(status: number, body?: unknown): Promise<void>;
}

let asked: Asked[];
let store: Store;
let desk: TaskDesk;

/** Until everything that has been answered has had its effect. */
const settled = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(console, "warn").mockReturnValue();
  asked = [];
  vi.stubGlobal("fetch", (path: string, { method, body }: RequestInit) => {
    return new Promise<Response>((resolve) => {
      asked.push({
        what: `${method} ${path}`,
        body: typeof body === "string" ? JSON.parse(body) : null,
        answer: async (status, given) => {
          resolve(new Response(given === undefined ? null : JSON.stringify(given), { status }));
          await settled();
        },
      });
    });
  });
  store = new Store();
  desk = new TaskDesk(store, () => ({ sessionId: "s", token: "t" }));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** The connection brings a list. */
const told = (...tasks: Task[]) => store.dispatch({ type: "server", event: { type: "tasks", tasks } });
const titles = () => store.state.tasks.map(({ title }) => title);
const last = () => {
  const one = asked.at(-1);
  if (one === undefined) throw new Error("nothing was asked");
  return one;
};

test("a list that was read before a newer one came does not replace it", async () => {
  void desk.refresh();
  told(task("1"), task("2"));
  await last().answer(200, [task("1")]);
  expect(titles()).toEqual(["Task 1", "Task 2"]);
  // Whether the newer one was whole is asked.
  expect(asked).toHaveLength(2);
  await last().answer(200, [task("1"), task("2"), task("3")]);
  expect(titles()).toEqual(["Task 1", "Task 2", "Task 3"]);
});

test("the answer to a change by hand does not replace what came after it", async () => {
  told(task("1"));
  void desk.change(task("1"), { due: "2026-12-05" }, "Changed");
  told(task("1", { due: "2026-12-07" }));
  await last().answer(200, task("1", { due: "2026-12-05" }));
  expect(store.state.tasks).toMatchObject([{ due: "2026-12-07" }]);
  expect(last().what).toBe("GET /api/tasks");
  await last().answer(200, [task("1", { due: "2026-12-07" })]);
  expect(store.state.tasks).toMatchObject([{ due: "2026-12-07" }]);
});

test("the answer to a change by hand that the connection told of already changes nothing, and one that it did not is shown", async () => {
  told(task("1"));
  const done = task("1", { status: "done" });
  void desk.change(task("1"), { status: "done" }, "Completed");
  told(done);
  const { tasks } = store.state;
  await last().answer(200, done);
  expect(store.state.tasks).toBe(tasks);
  expect(asked).toHaveLength(1);
  void desk.change(done, { status: "open" }, "Reopened");
  await last().answer(200, task("1"));
  expect(store.state.tasks).toMatchObject([{ status: "open" }]);
});

const label = () => store.state.undo?.label ?? null;

/** Deletes a task by hand, as the server does it. */
async function remove(one: Task): Promise<void> {
  void desk.remove(one);
  await last().answer(204);
}

test("changes by hand are taken back one after the other, the last one first", async () => {
  told(task("1"), task("2"), task("3"));
  await remove(task("1"));
  await remove(task("2"));
  expect(store.state.undo).toEqual({ label: "Deleted “Task 2”", more: 1 });
  void desk.undo();
  // A second press while the first is under way is none.
  void desk.undo();
  expect(last().what).toBe("POST /api/tasks/2/restore");
  await last().answer(200, task("2"));
  expect(store.state.undo).toEqual({ label: "Deleted “Task 1”", more: 0 });
  void desk.undo();
  await last().answer(200, task("1"));
  expect(titles()).toEqual(["Task 1", "Task 2", "Task 3"]);
  expect(label()).toBeNull();
  expect(asked).toHaveLength(4);
});

test("what could not be taken back is offered again, unless it can never be", async () => {
  told(task("1"));
  await remove(task("1"));
  void desk.undo();
  await last().answer(503, { code: "store" });
  expect(store.state.notice).toContain("could not be taken back");
  expect(label()).toBe("Deleted “Task 1”");
  void desk.undo();
  await last().answer(404, { code: "no_such_task" });
  expect(label()).toBeNull();
});

test("a change that came since, by voice or in another window, is not overwritten", async () => {
  told(task("1", { due: "2026-12-04" }));
  void desk.change(task("1", { due: "2026-12-04" }), { due: "2026-12-05" }, "Changed");
  await last().answer(200, task("1", { due: "2026-12-05" }));
  // Something else of it may have changed: that stays, too.
  told(task("1", { due: "2026-12-07", priority: "high" }));
  void desk.undo();
  await settled();
  expect(asked).toHaveLength(1);
  expect(store.state.notice).toBe("“Task 1” was changed since, and was left as it is now.");
  expect(label()).toBeNull();
});

test("what else changed of a task does not keep a change from being taken back", async () => {
  told(task("1", { due: "2026-12-04" }));
  void desk.change(task("1", { due: "2026-12-04" }), { due: "2026-12-05" }, "Changed");
  await last().answer(200, task("1", { due: "2026-12-05" }));
  told(task("1", { due: "2026-12-05", priority: "high" }));
  void desk.undo();
  expect(last()).toMatchObject({ what: "PATCH /api/tasks/1", body: { due: "2026-12-04" } });
});

test("a task that was added and changed since is not deleted, and one that is back is not brought back", async () => {
  told();
  void desk.add("Task 1");
  await last().answer(201, task("1"));
  told(task("1", { due: "2026-12-05" }));
  void desk.undo();
  await settled();
  expect(asked).toHaveLength(1);
  await remove(task("1", { due: "2026-12-05" }));
  told(task("1"));
  void desk.undo();
  await settled();
  expect(asked).toHaveLength(2);
  expect(store.state.notice).toBe("“Task 1” is on the list again already.");
});

test("the undo goes away by itself, and not while somebody is at it", async () => {
  told(task("1"));
  await remove(task("1"));
  await vi.advanceTimersByTimeAsync(14_000);
  desk.holdUndo(true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(label()).toBe("Deleted “Task 1”");
  desk.holdUndo(false);
  await vi.advanceTimersByTimeAsync(14_000);
  expect(label()).toBe("Deleted “Task 1”");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(label()).toBeNull();
});
