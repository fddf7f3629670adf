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
