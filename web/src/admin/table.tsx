import { useState } from "preact/hooks";
import { PAUSE_MS } from "../session/protocol";
import { formatCost, formatMs } from "../ui/format";
import { type Column, formatSpan, type Row, savingWords, since, sorted, wellness } from "./model";

const COLUMNS: { column: Column; name: string; figure: boolean }[] = [
  { column: "wellness", name: "How it goes", figure: false },
  { column: "channel", name: "Channel", figure: false },
  { column: "state", name: "Agent", figure: false },
  { column: "age", name: "Duration", figure: true },
  { column: "turns", name: "Turns", figure: true },
  { column: "latency", name: "Last answer", figure: true },
  { column: "cost", name: "Cost", figure: true },
];

interface Props {
  rows: Row[];
  nowMs: number;
  watched: string | null;
  onWatch(id: string): void;
}

/** Every live call, the one that needs somebody first. */
export function SessionTable({ rows, nowMs, watched, onWatch }: Props) {
  const [order, setOrder] = useState<{ column: Column; reversed: boolean }>({ column: "wellness", reversed: false });
  const sortBy = (column: Column) =>
    setOrder((before) => ({ column, reversed: before.column === column && !before.reversed }));
  const shown = sorted(rows, order.column, order.reversed, nowMs);
  return (
    <section class="panel calls" aria-labelledby="calls-title">
      <h2 id="calls-title">Calls</h2>
      {rows.length === 0 ? (
        <p class="note calls-none" data-testid="no-calls">
          No calls just now. A call appears here as soon as it begins.
        </p>
      ) : (
        <table data-testid="calls">
          <thead>
            <tr>
              {COLUMNS.map(({ column, name, figure }) => (
                <th
                  key={column}
                  scope="col"
                  class={figure ? "figure-cell" : ""}
                  aria-sort={order.column === column ? (order.reversed ? "descending" : "ascending") : "none"}
                >
                  <button type="button" data-testid={`sort-${column}`} onClick={() => sortBy(column)}>
                    {name}
                    <span aria-hidden="true" class="sort-mark">
                      {order.column === column ? (order.reversed ? "↑" : "↓") : ""}
                    </span>
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <CallRow
                key={row.session_id}
                row={row}
                nowMs={nowMs}
                watched={row.session_id === watched}
                onWatch={onWatch}
              />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function CallRow({
  row,
  nowMs,
  watched,
  onWatch,
}: {
  row: Row;
  nowMs: number;
  watched: boolean;
  onWatch(id: string): void;
}) {
  const { tone, words } = wellness(row, nowMs);
  const slow = row.last_latency_ms !== null && row.last_latency_ms > PAUSE_MS;
  return (
    <tr class={watched ? "row-watched" : ""} data-testid="call" data-session={row.session_id} data-tone={tone}>
      <th scope="row">
        <button
          type="button"
          class="call-open"
          aria-pressed={watched}
          data-testid="watch"
          onClick={() => onWatch(row.session_id)}
        >
          <span class={`tone tone-${tone}`}>{words}</span>
          <span class="call-id">
            {row.user_id} <span class="numeric">{row.session_id.slice(0, 12)}</span>
          </span>
        </button>
      </th>
      <td data-name="Channel">{row.channel.replace("_", " ")}</td>
      <td data-name="Agent">{row.connected ? row.state : "no caller"}</td>
      <td class="figure-cell numeric" data-name="Duration">
        {formatSpan(since(row.started_at, nowMs))}
      </td>
      <td class="figure-cell numeric" data-name="Turns">
        {row.turns}
      </td>
      <td class={slow ? "figure-cell numeric slow" : "figure-cell numeric"} data-name="Last answer">
        {row.last_latency_ms === null ? "–" : formatMs(row.last_latency_ms)}
      </td>
      <td class="figure-cell numeric" data-name="Cost">
        {formatCost(row.cost_usd)}
        {row.cost_step && row.cost_step !== "full" ? ` (${savingWords(row.cost_step)})` : ""}
      </td>
    </tr>
  );
}
