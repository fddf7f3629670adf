import { afterEach, describe, expect, it, vi } from "vitest";
import { ApiError, api } from "./api";
import { BROKEN, sentenceFor, UNREACHED } from "./problem";

const session = { sessionId: "5a1c", token: "secret" };

afterEach(() => void vi.restoreAllMocks());

async function refusal(answer: () => Promise<Response>): Promise<{ error: ApiError; noted: string }> {
  vi.spyOn(globalThis, "fetch").mockImplementation(answer);
  const console_ = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const error = await api.tasks(session).then(
    () => null,
    (error: unknown) => error,
  );
  if (!(error instanceof ApiError)) throw new Error("it was not refused");
  return { error, noted: console_.mock.calls.flat().join(" ") };
}

describe("a call that fails", () => {
  it("is told in plain words, and in the console with what the server said", async () => {
    const problem = { status: 500, code: "internal", detail: "This is a defect of the server; its log says more." };
    const { error, noted } = await refusal(async () => Response.json(problem, { status: 500 }));
    expect(error.message).toBe(BROKEN);
    expect(error.status).toBe(500);
    expect(noted).toBe("GET /api/tasks: 500 internal This is a defect of the server; its log says more.");
    expect(noted).not.toContain(session.token);
  });

  it("is told in plain words where a proxy answers, or nobody", async () => {
    const proxy = await refusal(async () => new Response("<h1>502 Bad Gateway</h1>", { status: 502 }));
    expect(proxy.error.message).toBe(UNREACHED);
    const nobody = await refusal(() => Promise.reject(new TypeError("Failed to fetch")));
    expect(nobody.error.message).toBe(UNREACHED);
    expect(nobody.noted).toContain("Failed to fetch");
  });

  it.each([400, 401, 403, 404, 409, 413, 422, 429, 500, 501, 503, 504])("never shows its number: %i", (status) => {
    for (const code of ["", "internal", "toString"])
      expect(sentenceFor(status, code)).not.toMatch(/\d|server answered/);
  });

  it("says what is special", () => {
    expect(sentenceFor(409, "too_many_tasks")).toContain("Delete some");
    expect(sentenceFor(503, "day_spent")).toContain("today");
  });
});
