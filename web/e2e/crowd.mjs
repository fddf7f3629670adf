// A conversation that is as long as one can be, for pictures and checks.

import { tell } from "./checks/mock.mjs";

/** As much as there can be: long lists, long titles, words without an end, and a long answer. */
export function crowd(mock) {
  const [session] = mock.world.sessions.values();
  const long = "Prepare the quarterly report with the figures from Ghent, ".repeat(4).slice(0, 200);
  mock.world.addTask(session.userId, { title: long, due: "2026-01-02T09:30", priority: "high" });
  mock.world.addTask(session.userId, { title: `https://example.com/${"a".repeat(170)}` });
  for (let i = 1; i <= 60; i++) mock.world.addTask(session.userId, { title: `Call customer number ${i}` });
  const words = "and then I would like to move everything that is due on Monday to Tuesday, ";
  tell(
    mock,
    { type: "transcript", utterance_id: 95, text: words.repeat(8), final: true },
    { type: "agent_text", reply_id: 95, speech_id: 95, text: `You have sixty-six open tasks. ${long} `.repeat(6) },
    { type: "transcript", utterance_id: 96, text: `See https://example.com/${"b".repeat(150)}`, final: true },
  );
}
