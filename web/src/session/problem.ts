/** Why a call failed, in words for whoever talks to the page: what happened, and what to do. No number, and no word of a program's. */

const SENTENCES: Record<string, string> = {
  full: "As many people are talking here as the server can take.",
  not_ready: "The server takes no new conversations just now.",
  day_spent: "All that may be spent on conversations today is spent.",
  store: "Your tasks cannot be reached just now, and nothing was changed. Try again in a moment.",
  auth: "Nobody can be signed in just now.",
  busy: "There is too much going on in this conversation. Try again in a moment.",
  too_many_messages: "That was too much at once. Wait a moment, and send it again.",
  tasks_changed: "The list is changing too quickly. Try again in a moment.",
  too_many_tasks: "The list is full. Delete some tasks that are done, and try again.",
  no_such_task: "This task is not there any more.",
  no_such_session: "This conversation has ended. Start again to go on.",
  session_ended: "This conversation has ended. Start again to go on.",
  body_too_large: "That was too long. Make it shorter, and try again.",
};

/** Nobody answered. */
export const UNREACHED = "The server cannot be reached. Try again in a moment.";
/** Whoever answered had a fault, or answered what makes no sense. */
export const BROKEN =
  "Something went wrong on the server. Try again in a moment; if it goes on, tell whoever runs this page.";

/** `code` is the server's word for programs; a proxy in front of it has none. */
export function sentenceFor(status: number, code: string): string {
  const known = Object.hasOwn(SENTENCES, code) ? SENTENCES[code] : undefined;
  if (known !== undefined) return known;
  if (status === 401 || status === 403) return "The server does not know you any more. Open this page again.";
  if (status === 408 || status === 502 || status === 504) return UNREACHED;
  if (status === 429) return "That was too much at once. Wait a moment, and try again.";
  if (status === 503) return "The server is not ready just now.";
  if (status >= 500) return BROKEN;
  return "The server did not take this. Open this page again, and try once more.";
}
