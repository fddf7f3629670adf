import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Icon } from "../ui/icons";
import { AdminApi, AdminError, adminError, keepToken, keptToken } from "./api";
import { Confirm } from "./confirm";
import { headline, type Overview, partWords, type WhoAmI } from "./model";
import { Office } from "./office";
import { Recordings } from "./recordings";
import { SessionTable } from "./table";
import { Watch } from "./watch";

/** The code of a token that was good, and is so no more. */
const LAPSED = "lapsed";

/** How often the instance is asked how it is, in ms. */
const REFRESH_MS = 2_000;

export function AdminApp() {
  const [token, setToken] = useState(keptToken);
  const [refusal, setRefusal] = useState<AdminError | null>(null);
  const leave = (why: AdminError | null) => {
    keepToken(null);
    setRefusal(why);
    setToken(null);
  };
  const enter = (given: string) => {
    keepToken(given);
    setRefusal(null);
    setToken(given);
  };
  if (token === null) return <SignIn refusal={refusal} onToken={enter} />;
  return <Rooms key={token} token={token} onLeave={leave} />;
}

/** What an operator can do about a server that says nothing. */
const NO_ANSWER = "Is the process running, and can this machine reach it? This page keeps asking.";

/** Each role has a page of its own. Until the server has said whose token this is, that is asked again and again. */
function Rooms({ token, onLeave }: { token: string; onLeave(why: AdminError | null): void }) {
  const api = useMemo(() => new AdminApi(token), [token]);
  const [who, setWho] = useState<WhoAmI | null>(null);
  const [trouble, setTrouble] = useState<AdminError | null>(null);
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout>;
    const ask = async () => {
      try {
        const answer = await api.whoAmI();
        if (!over) setWho(answer);
      } catch (error) {
        if (over) return;
        const why = adminError(error);
        if (why.status === 401 || why.status === 404) return onLeave(why);
        setTrouble(why);
        timer = setTimeout(ask, REFRESH_MS);
      }
    };
    void ask();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [api]);
  if (who === null) return <Waiting trouble={trouble} onLeave={() => onLeave(null)} />;
  if (who.role !== "operator") return <Office api={api} who={who} onLeave={() => onLeave(null)} />;
  return <Desk token={token} records={who.records} onLeave={onLeave} />;
}

/** Nothing was ever heard from the server. */
function Waiting({ trouble, onLeave }: { trouble: AdminError | null; onLeave(): void }) {
  useEffect(() => {
    document.title = `${trouble === null ? "Operations" : "No answer"} — voice-agent`;
  }, [trouble]);
  return (
    <main class="desk" data-testid="desk-waiting">
      <header class="desk-top">
        <h1 class="desk-name">Operations</h1>
        <button type="button" class="button button-small" data-testid="sign-out" onClick={onLeave}>
          Sign out
        </button>
      </header>
      {trouble === null ? (
        <p class="note">Asking the server…</p>
      ) : (
        <p class="silence" role="alert" data-testid="silence">
          <Icon name="cloud" />
          <span>
            {trouble.message} {trouble.status === 0 && NO_ANSWER}
          </span>
        </p>
      )}
    </main>
  );
}

function refusalOf({ status, code, message }: AdminError): string {
  if (code === LAPSED)
    return "You were signed out: the server takes this token no more. It was changed, or the server started anew with another.";
  if (status === 401) return "The server does not know this token. Is it whole, and of this server?";
  return message;
}

function SignIn({ refusal, onToken }: { refusal: AdminError | null; onToken(token: string): void }) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const off = refusal?.code === "admin_off";
  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const token = field.current?.value.trim() ?? "";
          if (token !== "") onToken(token);
        }}
      >
        <h1>Operations</h1>
        <label for="token">Access token</label>
        <input
          ref={field}
          id="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          data-testid="admin-token"
          aria-invalid={refusal !== null}
          aria-describedby="token-note"
        />
        <p
          id="token-note"
          class={refusal === null ? "note" : "note note-bad"}
          role="status"
          data-testid="admin-refusal"
        >
          {refusal === null &&
            "The server’s ADMIN_TOKEN, AUDITOR_TOKEN or PRIVACY_TOKEN: which one decides what you see. This tab keeps it until it is closed."}
          {off &&
            "This page is off: the server has no operators. Start it with ADMIN_TOKEN set to a long random word, and sign in with that."}
          {refusal !== null && !off && refusalOf(refusal)}
        </p>
        <button type="submit" class="button button-primary" data-testid="admin-enter">
          Sign in
        </button>
      </form>
    </main>
  );
}

interface Seen {
  overview: Overview;
  /** The server's clock minus this machine's, in ms. */
  skewMs: number;
}

interface DeskProps {
  token: string;
  records: boolean;
  onLeave(why: AdminError | null): void;
}

function Desk({ token, records, onLeave }: DeskProps) {
  const api = useMemo(() => new AdminApi(token), [token]);
  const [seen, setSeen] = useState<Seen | null>(null);
  const [silence, setSilence] = useState<{ since: Date; why: AdminError } | null>(null);
  const [watched, setWatched] = useState<string | null>(null);
  const [notice, setNotice] = useState("");
  const [asking, setAsking] = useState<{ end: string } | "drain" | null>(null);
  const [refresh, setRefresh] = useState(0);

  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout>;
    const look = async () => {
      try {
        const overview = await api.overview();
        if (over) return;
        setSeen({ overview, skewMs: Date.parse(overview.now) - Date.now() });
        setSilence(null);
      } catch (error) {
        if (over) return;
        const why = adminError(error);
        // A token that is refused now was changed: nothing more is to be seen with it.
        if (why.status === 401) return onLeave(new AdminError(401, LAPSED, why.message));
        if (why.status === 404) return onLeave(why);
        setSilence((before) => ({ since: before?.since ?? new Date(), why }));
      }
      timer = setTimeout(look, REFRESH_MS);
    };
    void look();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [api, refresh]);

  // An old picture has the time of its own: nothing on it goes on by itself.
  const nowMs = (silence?.since.getTime() ?? Date.now()) + (seen?.skewMs ?? 0);
  const first = seen === null ? null : headline(seen.overview, nowMs);
  useEffect(() => {
    document.title = `${silence === null ? (first?.words ?? "Operations") : "No answer"} — voice-agent`;
  }, [first?.words, silence === null]);

  const act = async (work: () => Promise<void>, done: string) => {
    setAsking(null);
    try {
      await work();
      setNotice(done);
    } catch (error) {
      setNotice(error instanceof Error ? error.message : String(error));
    }
    setRefresh((count) => count + 1);
  };

  const overview = seen?.overview;
  return (
    <main class={watched === null ? "desk" : "desk desk-watching"} data-testid="desk" data-tone={first?.tone}>
      <header class="desk-top">
        <span class="desk-name">
          Operations
          {overview !== undefined && (
            <span class="count">
              {" "}
              instance {overview.instance}, version {overview.version}
            </span>
          )}
        </span>
        <span class="desk-acts">
          {overview !== undefined && !overview.draining && (
            <button
              type="button"
              class="button button-small"
              data-testid="drain"
              title="Take no new calls; those that are under way go on"
              onClick={() => setAsking("drain")}
            >
              Drain…
            </button>
          )}
          <button type="button" class="button button-small" data-testid="sign-out" onClick={() => onLeave(null)}>
            Sign out
          </button>
        </span>
      </header>
      {silence !== null && (
        <p class="silence" role="alert" data-testid="silence">
          <Icon name="cloud" />
          <span>
            {silence.why.status === 0 ? "The server has not answered" : "The server has answered only with errors"}{" "}
            since {silence.since.toLocaleTimeString("en-GB")}
            {overview !== undefined && ": everything below is as it was then"}.{" "}
            {silence.why.status === 0 ? NO_ANSWER : `Its last: ${silence.why.message}`}
          </span>
        </p>
      )}
      {overview !== undefined && first !== null && <Summary overview={overview} first={first} />}
      <p class="desk-notice" role="status" data-testid="admin-notice">
        {notice}
      </p>
      <div class="desk-columns">
        {overview !== undefined && (
          <SessionTable rows={overview.sessions} nowMs={nowMs} watched={watched} onWatch={setWatched} />
        )}
        {watched !== null && (
          <Watch
            key={watched}
            api={api}
            id={watched}
            row={overview?.sessions.find((row) => row.session_id === watched) ?? null}
            nowMs={nowMs}
            logIsOn={overview?.input_log ?? false}
            onEnd={() => setAsking({ end: watched })}
            onNotice={setNotice}
            onClose={() => setWatched(null)}
          />
        )}
      </div>
      {records && <Recordings api={api} mayOpen={true} onNotice={setNotice} />}
      {asking === "drain" && (
        <Confirm
          title="Take no new calls?"
          detail={`${liveCalls(overview?.sessions.length ?? 0)} New callers are turned away until this instance is started again: that cannot be taken back from here.`}
          word="drain"
          action="Drain this instance"
          onYes={() => void act(() => api.drain(), "Draining: this instance takes no new calls.")}
          onNo={() => setAsking(null)}
        />
      )}
      {asking !== null && asking !== "drain" && (
        <Confirm
          title="End this call?"
          detail={`Call ${asking.end} ends at once, for good. The caller is told that somebody who looks after the server ended it; the tasks are kept.`}
          action="End the call"
          onYes={() => void act(() => api.end(asking.end), "The call was ended.")}
          onNo={() => setAsking(null)}
        />
      )}
    </main>
  );
}

function liveCalls(count: number): string {
  if (count === 0) return "No call is under way.";
  return count === 1 ? "The call that is under way goes on." : `The ${count} calls that are under way go on.`;
}

const REJECTED: Record<string, string> = {
  full: "when full",
  draining: "while draining",
  starting: "when not ready",
  store: "when the store failed",
};

function Summary({ overview, first }: { overview: Overview; first: ReturnType<typeof headline> }) {
  const { sessions, max_sessions, readiness, rejected } = overview;
  const away = Object.entries(rejected).filter(([, count]) => count > 0);
  return (
    <section class={`summary summary-${first.tone}`} aria-labelledby="headline" data-testid="summary">
      <span class="summary-icon" aria-hidden="true">
        <Icon name={first.tone === "well" ? "check" : "alert"} size={28} />
      </span>
      <div>
        <h1 id="headline" data-testid="headline">
          {first.words}
        </h1>
        <p class="summary-detail">{first.detail}</p>
        <ul class="reasons" data-testid="reasons">
          {readiness.reasons.map(({ part, reason }) => (
            <li key={part}>
              <strong>{partWords(part)}:</strong> {reason}
            </li>
          ))}
        </ul>
      </div>
      <dl class="summary-figures">
        <div>
          <dt>Calls</dt>
          <dd class="numeric" data-testid="load">
            {sessions.length} <small>of {max_sessions}</small>
          </dd>
        </div>
        <div>
          <dt>Turned away since it started</dt>
          <dd class="numeric" data-testid="rejected">
            {away.reduce((sum, [, count]) => sum + count, 0)}
            {away.length > 0 && (
              <small class="summary-why">
                {away
                  .map(([reason, count]) => `${count} ${REJECTED[reason] ?? reason.replaceAll("_", " ")}`)
                  .join(", ")}
              </small>
            )}
          </dd>
        </div>
      </dl>
    </section>
  );
}
