import { PAUSE_MS, STAGES, type Turn } from "../session/protocol";
import type { SessionState } from "../session/state";
import { formatCost, formatLatency, formatMs, pauseSentence, STAGE_NAMES } from "./format";

/** Turns in the small chart of the closed panel. */
const CHARTED = 12;

/** Where the milliseconds of the last turns went, what each cost, and why a pause was long. */
export function Timeline({ state }: { state: SessionState }) {
  const { turns } = state;
  // One very long pause makes no slivers of all others: it fills the width, and its figure says the rest.
  const longest = Math.min(PAUSE_MS * 4, Math.max(PAUSE_MS * 1.25, ...turns.map((turn) => turn.latency_ms ?? 0)));
  const latest = turns[0];
  return (
    <details class="panel timeline" data-testid="timeline">
      <summary>
        <h2>Timing</h2>
        <Chart turns={turns.slice(0, CHARTED)} longest={longest} />
        {latest !== undefined && (
          <span class="count numeric">
            <span class="visually-hidden">last answer: </span>
            {formatLatency(latest)}
          </span>
        )}
      </summary>
      {latest === undefined ? (
        <p class="empty">After each answer: how long it took, where the time went, and what it cost.</p>
      ) : (
        <>
          <ol class="turns" reversed aria-label="Answers, the latest first">
            {turns.map((turn) => (
              <TurnRow key={turn.turn} turn={turn} longest={longest} open={turn === latest} />
            ))}
          </ol>
          <p class="turns-total">
            <span>
              This conversation, {state.turnCount} {state.turnCount === 1 ? "answer" : "answers"}
            </span>
            <span class="numeric" data-testid="spent">
              {formatCost(state.spentUsd)}
            </span>
          </p>
          {state.rttMs !== null && (
            <p class="turns-total">
              <span>To the server and back</span>
              <span class="numeric" data-testid="rtt">
                {formatMs(state.rttMs)}
              </span>
            </p>
          )}
        </>
      )}
    </details>
  );
}

/** The pace at a glance: a column for each of the latest turns, oldest first. */
function Chart({ turns, longest }: { turns: Turn[]; longest: number }) {
  const timed = turns.flatMap(({ turn, latency_ms: ms }) => (ms === null ? [] : [{ turn, ms }]));
  return (
    <span class="pace" aria-hidden="true">
      {timed.toReversed().map(({ turn, ms }) => (
        <i
          key={turn}
          class={ms > PAUSE_MS ? "pace-slow" : ""}
          style={{ height: `${Math.max(12, (ms / longest) * 100)}%` }}
        />
      ))}
    </span>
  );
}

/** An answer in writing: nobody waited to hear it, so there is no pause to take apart. */
function WrittenRow({ turn }: { turn: Turn }) {
  return (
    <li class="turn turn-written" data-testid="turn" data-turn={turn.turn}>
      <TurnHead turn={turn} />
    </li>
  );
}

function TurnHead({ turn }: { turn: Turn }) {
  return (
    <span class="turn-head">
      <span class="turn-number numeric">
        <span class="visually-hidden">Answer </span>
        {turn.turn}
      </span>
      <span class="turn-total numeric">{formatLatency(turn)}</span>
      <span class="turn-cost numeric">{formatCost(turn.cost_usd)}</span>
    </span>
  );
}

function TurnRow({ turn, longest, open }: { turn: Turn; longest: number; open: boolean }) {
  if (turn.latency_ms === null) return <WrittenRow turn={turn} />;
  const spent = STAGES.filter((stage) => turn.stages[stage] > 0);
  const share = (ms: number) => `${Math.min(100, (ms / longest) * 100)}%`;
  const pause = pauseSentence(turn);
  return (
    <li class="turn" data-testid="turn" data-turn={turn.turn}>
      <details open={open}>
        <summary>
          <TurnHead turn={turn} />
          <span class="bar" aria-hidden="true">
            {spent.map((stage) => (
              <span key={stage} class={`bar-part stage-${stage}`} style={{ width: share(turn.stages[stage]) }} />
            ))}
            <span class="bar-budget" style={{ left: share(PAUSE_MS) }} />
          </span>
          {pause !== null && (
            <span class="cause" data-testid="turn-cause" data-cause={turn.cause}>
              {pause}
            </span>
          )}
        </summary>
        <dl class="stages">
          {spent.map((stage) => (
            <div key={stage} class={stage === turn.cause ? "stage-named" : ""}>
              <dt>
                <i class={`dot stage-${stage}`} aria-hidden="true" />
                {STAGE_NAMES[stage]}
              </dt>
              <dd class="numeric">{formatMs(turn.stages[stage])}</dd>
            </div>
          ))}
        </dl>
      </details>
    </li>
  );
}
