import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Icon } from "../ui/icons";
import { AdminApi, AdminError, keepToken, keptToken } from "./api";
import { Confirm } from "./confirm";
import { headline, type Overview, type WhoAmI } from "./model";
import { Office } from "./office";
import { Recordings } from "./recordings";
import { SessionTable } from "./table";
import { Watch } from "./watch";

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

/** Each role has a page of its own. */
function Rooms({ token, onLeave }: { token: string; onLeave(why: AdminError | null): void }) {
  const api = useMemo(() => new AdminApi(token), [token]);
  const [who, setWho] = useState<WhoAmI | null>(null);
  useEffect(() => {
    let over = false;
    api.whoAmI().then(
      (who) => !over && setWho(who),
      (error: unknown) => {
        const refused = error instanceof AdminError && (error.status === 401 || error.status === 404);
        if (refused && !over) onLeave(error);
      },
    );
    return () => {
      over = true;
    };
  }, [api]);
  if (who !== null && who.role !== "operator") return <Office api={api} who={who} onLeave={() => onLeave(null)} />;
  return <Desk token={token} records={who?.records ?? false} onLeave={onLeave} />;
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
        <label for="token">Your token</label>
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
            "It is the server’s ADMIN_TOKEN, AUDITOR_TOKEN or PRIVACY_TOKEN. This tab keeps it until it is closed."}
          {off &&
            "This server has no operators. Start it with ADMIN_TOKEN set to a long random word, and sign in with that."}
          {refusal !== null && !off && (refusal.status === 401 ? "This is nobody’s token." : refusal.message)}
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
  const [silentSince, setSilentSince] = useState<Date | null>(null);
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
        setSilentSince(null);
      } catch (error) {
        if (over) return;
        // A token that is refused now was changed: nothing more is to be seen with it.
        if (error instanceof AdminError && (error.status === 401 || error.status === 404)) return onLeave(error);
        setSilentSince((before) => before ?? new Date());
      }
      timer = setTimeout(look, REFRESH_MS);
    };
    void look();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [api, refresh]);

  const nowMs = Date.now() + (seen?.skewMs ?? 0);
  const first = seen === null ? null : headline(seen.overview, nowMs);
  useEffect(() => {
    document.title = `${silentSince === null ? (first?.words ?? "Operations") : "No answer"} — voice-agent`;
  }, [first?.words, silentSince]);

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
            <button type="button" class="button button-small" data-testid="drain" onClick={() => setAsking("drain")}>
              Drain…
            </button>
          )}
          <button type="button" class="button button-small" data-testid="sign-out" onClick={() => onLeave(null)}>
            Sign out
          </button>
        </span>
      </header>
      {silentSince !== null && (
        <p class="silence" role="alert" data-testid="silence">
          <Icon name="cloud" /> The server has not answered since {silentSince.toLocaleTimeString("en-GB")}. What stands
          here is old.
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
          detail={`The ${overview?.sessions.length ?? 0} live calls go on; new callers are turned away until this instance is started again. There is no way back from here.`}
          word="drain"
          action="Drain this instance"
          onYes={() => void act(() => api.drain(), "The instance is draining.")}
          onNo={() => setAsking(null)}
        />
      )}
      {asking !== null && asking !== "drain" && (
        <Confirm
          title="End this call?"
          detail={`Session ${asking.end} ends at once, for good. The caller is told that an operator ended it; the tasks are kept.`}
          action="End the call"
          onYes={() => void act(() => api.end(asking.end), "The call was ended.")}
          onNo={() => setAsking(null)}
        />
      )}
    </main>
  );
}

const REJECTED: Record<string, string> = {
  full: "it was full",
  draining: "it was draining",
  starting: "it was not ready",
  store: "the store failed",
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
              <strong>{part}</strong> {reason}
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
          <dt>Turned away since the start</dt>
          <dd class="numeric" data-testid="rejected">
            {away.reduce((sum, [, count]) => sum + count, 0)}{" "}
            <small>{away.map(([reason, count]) => `${count} as ${REJECTED[reason] ?? reason}`).join(", ")}</small>
          </dd>
        </div>
      </dl>
    </section>
  );
}
