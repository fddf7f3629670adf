import type { Mode } from "./storage";

/** What stands on a choice: this is what the caller agrees to, and what is written down with the answer, letter for letter. */
export interface Wording {
  title: string;
  detail: string;
}

export const RECORD: Wording = {
  title: "Talk, and record the call",
  detail: "The audio is kept for quality and training. Say “stop recording”, or press the sign, at any time.",
};

/** The same consent where it has no effect: what is not done is not said to be done. */
export const ALLOW: Wording = {
  title: "Talk, and allow recording",
  detail: "You agree that audio may be kept for quality and training. This server keeps none: nothing is recorded.",
};

export const TALK: Wording = {
  title: "Talk without recording",
  detail: "Your voice is only listened to, to answer you. No audio is kept.",
};

export const TYPE: Wording = {
  title: "Type only",
  detail: "The microphone stays off, the answers are silent, and no audio is recorded.",
};

/** The words of the choice that leads to this mode. */
export function wordingOf(mode: Mode, records: boolean): string {
  const choices: Record<Mode, Wording> = { record: records ? RECORD : ALLOW, talk: TALK, type: TYPE };
  const { title, detail } = choices[mode];
  return `${title}. ${detail}`;
}
