/** What a closed connection means for the page: docs/protocol.md, "Close codes". */

export type OverReason =
  | "ended"
  | "goodbye"
  | "operator"
  | "idle"
  | "too_long"
  | "ceiling"
  | "gone"
  | "failed"
  | "taken"
  | "protocol";

export type Closing =
  | { action: "reconnect"; atOnce: boolean; why: "dropped" | "restarting" | "slow" | "moved" }
  | { action: "over"; reason: OverReason };

export function closingOf(code: number): Closing {
  switch (code) {
    case 1000:
      return { action: "over", reason: "ended" };
    case 1001:
      return { action: "reconnect", atOnce: true, why: "restarting" };
    case 1009:
    case 4000:
    case 4004:
      return { action: "over", reason: "protocol" };
    case 4001:
      return { action: "over", reason: "taken" };
    case 4002:
      return { action: "over", reason: "gone" };
    case 4003:
      return { action: "reconnect", atOnce: false, why: "slow" };
    case 4005:
      return { action: "over", reason: "idle" };
    case 4006:
      return { action: "over", reason: "failed" };
    case 4007:
      return { action: "reconnect", atOnce: true, why: "moved" };
    default:
      return { action: "reconnect", atOnce: false, why: "dropped" };
  }
}

/** What `ended` gives as its reason, as the page's own word. */
export function reasonOf(reason: string): OverReason {
  switch (reason) {
    case "goodbye":
    case "operator":
    case "idle":
    case "too_long":
    case "ceiling":
    case "failed":
      return reason;
    case "lost":
      return "gone";
    case "taken_over":
      return "taken";
    default:
      return "ended";
  }
}

const STEPS_MS = [250, 500, 1_000, 2_000, 4_000, 5_000];

/** How long to wait before a try (0 is the first), ± 20 % so that a restarted server is not met by everyone at once. */
export function backoffMs(attempt: number, random: number = Math.random()): number {
  const step = STEPS_MS[Math.min(attempt, STEPS_MS.length - 1)] ?? 5_000;
  return Math.round(step * (0.8 + 0.4 * random));
}
