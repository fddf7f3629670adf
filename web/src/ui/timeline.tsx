import { STAGES, type Turn } from "../session/protocol";
import { formatCost, formatMs, STAGE_NAMES } from "./format";

/** Where the milliseconds of the last turns went, and why a pause was long. */
export function Timeline({ turns }: { turns: Turn[] }) {
  const longest = Math.max(800, ...turns.map((turn) => turn.latency_ms));
  return (
    <details class="panel timeline" data-testid="timeline">
      <summary>
        <h2>Timing</h2>
        {turns[0] !== undefined && <span class="count numeric">last answer {formatMs(turns[0].latency_ms)}</span>}
      </summary>
      {turns.length === 0 ? (
        <p class="empty">After each answer: how long it took, and what took the time.</p>
      ) : (
        <div class="timeline-scroll">
          <table>
            <caption class="visually-hidden">Latest turns, newest first</caption>
            <thead>
              <tr>
                <th scope="col">Turn</th>
                <th scope="col">Where the time went</th>
                <th scope="col">Cost</th>
              </tr>
            </thead>
            <tbody>
              {turns.map((turn) => (
                <TurnRow key={turn.turn} turn={turn} longest={longest} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

function TurnRow({ turn, longest }: { turn: Turn; longest: number }) {
  const spent = STAGES.filter((stage) => turn.stages[stage] > 0);
  const share = (ms: number) => `${Math.min(100, (ms / longest) * 100)}%`;
  return (
    <tr data-testid="turn">
      <th scope="row" class="numeric">
        {turn.turn}
      </th>
      <td>
        <div class="turn-total">
          <span class="numeric">{formatMs(turn.latency_ms)}</span>
          {turn.cause !== null && (
            <span class="cause" data-testid="turn-cause">
              slow: {STAGE_NAMES[turn.cause as keyof typeof STAGE_NAMES] ?? turn.cause}
            </span>
          )}
        </div>
        <div class="bar" aria-hidden="true">
          {spent.map((stage) => (
            <span key={stage} class={`bar-part stage-${stage}`} style={{ width: share(turn.stages[stage]) }} />
          ))}
        </div>
        <ul class="stages">
          {spent.map((stage) => (
            <li key={stage}>
              <i class={`dot stage-${stage}`} aria-hidden="true" />
              {STAGE_NAMES[stage]} <span class="numeric">{Math.round(turn.stages[stage])}</span>
            </li>
          ))}
        </ul>
      </td>
      <td class="numeric">{formatCost(turn.cost_usd)}</td>
    </tr>
  );
}
