import { useState } from "preact/hooks";
import type { AdminApi } from "./api";
import { Confirm } from "./confirm";
import { type Audit, counted, formatMoment, type WhoAmI, zoneName } from "./model";
import { Recordings } from "./recordings";
import { save } from "./watch";

interface Props {
  api: AdminApi;
  who: WhoAmI;
  onLeave(): void;
}

/** What an auditor, and whoever answers for people's rights, see: no calls, but what is kept of people, and who looked at it. */
export function Office({ api, who, onLeave }: Props) {
  const [notice, setNotice] = useState("");
  return (
    <main class="desk" data-testid="office">
      <header class="desk-top">
        <h1 class="desk-name">{who.role === "auditor" ? "Audit" : "Privacy"}</h1>
        <button type="button" class="button button-small" data-testid="sign-out" onClick={onLeave}>
          Sign out
        </button>
      </header>
      <p class="desk-notice" role="status" data-testid="admin-notice">
        {notice}
      </p>
      {who.calls.includes("Consents") && <Person api={api} who={who} onNotice={setNotice} />}
      {who.calls.includes("AccessLog") && <AccessLog api={api} onNotice={setNotice} />}
      <Recordings api={api} mayOpen={who.calls.includes("Recording")} onNotice={setNotice} />
    </main>
  );
}

interface PanelProps {
  api: AdminApi;
  onNotice(words: string): void;
}

function Person({ api, who, onNotice }: PanelProps & { who: WhoAmI }) {
  const [user, setUser] = useState("");
  const [erasing, setErasing] = useState(false);
  const name = user.trim();
  const act = async (work: () => Promise<string>) => {
    setErasing(false);
    try {
      onNotice(await work());
    } catch (error) {
      onNotice(error instanceof Error ? error.message : String(error));
    }
  };
  const consents = async () => {
    const { opted_out, consents } = await api.consents(name);
    const last = consents.at(-1);
    const told =
      last === undefined
        ? "No decision of this person is kept."
        : `Decided last, on ${formatMoment(last.at)}: ${last.decision}.`;
    return opted_out ? `${told} They are not to be recorded.` : told;
  };
  const keep = async (content: Promise<Blob>, file: string) => {
    save(file, await content);
    return `${file} is saved.`;
  };
  return (
    <section class="panel office" aria-labelledby="person-title">
      <h2 id="person-title">A person</h2>
      <label for="person">User id, such as phone:+15551234567</label>
      <input
        id="person"
        autocomplete="off"
        spellcheck={false}
        value={user}
        data-testid="person"
        onInput={(event) => setUser(event.currentTarget.value)}
      />
      <div class="watch-acts">
        <button
          type="button"
          class="button"
          disabled={name === ""}
          data-testid="consents"
          onClick={() => void act(consents)}
        >
          What they decided on recording
        </button>
        {who.calls.includes("Export") && (
          <button
            type="button"
            class="button"
            disabled={name === ""}
            data-testid="export"
            onClick={() => void act(() => keep(api.exported(name), "export.tar.gz"))}
          >
            Export everything
          </button>
        )}
        {who.calls.includes("Erase") && (
          <button
            type="button"
            class="button button-danger"
            disabled={name === ""}
            data-testid="erase"
            onClick={() => setErasing(true)}
          >
            Erase everything…
          </button>
        )}
      </div>
      {erasing && (
        <Confirm
          title="Erase this person?"
          detail={`Everything of ${name} is destroyed: conversations, tasks, recordings, decisions. Nobody can bring it back. Export it first if they want to have it. You get a certificate to keep.`}
          word="erase"
          action="Erase everything"
          onYes={() => void act(() => keep(api.erased(name), "certificate.json"))}
          onNo={() => setErasing(false)}
        />
      )}
    </section>
  );
}

function AccessLog({ api, onNotice }: PanelProps) {
  const [audit, setAudit] = useState<Audit | null>(null);
  const look = async () => {
    try {
      setAudit(await api.accessLog());
    } catch (error) {
      onNotice(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <section class="panel office" aria-labelledby="access-title" data-testid="access-log">
      <header class="watch-head">
        <h2 id="access-title">Who looked at what</h2>
        <button type="button" class="button button-small" data-testid="audit" onClick={() => void look()}>
          Check the access log
        </button>
      </header>
      {audit !== null && (
        <>
          <p data-testid="audit-result">
            {audit.audit.findings.length === 0
              ? `${audit.audit.sealed.length === 0 ? "The access log is whole" : "But for what is explained below the access log is whole"}: ${counted(audit.audit.lines, "line")}, and none was changed or left out.`
              : audit.audit.findings
                  .map((finding) => `${finding.log}, line ${finding.line}: ${finding.what}`)
                  .join("; ")}
          </p>
          {audit.audit.sealed.map((sealed) => (
            <p key={sealed.log}>
              {sealed.log} is broken, which the {sealed.role} explained on {formatMoment(sealed.at)}: {sealed.reason}
            </p>
          ))}
          <p class="note">The latest first, 100 at most. Times are {zoneName(new Date())}.</p>
          <ol
            class="access-lines"
            aria-label="Accesses"
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard.
            tabIndex={0}
          >
            {audit.lines
              .slice(-100)
              .reverse()
              .map((line) => (
                <li key={`${line.at}${line.n}`} class="numeric">
                  <time dateTime={line.at} title={line.at}>
                    {formatMoment(line.at)}
                  </time>
                  <span>
                    {line.role}: {line.action.replaceAll("_", " ")}
                    {line.user !== "" && ` of ${line.user.slice(0, 8)}…`} {line.of}
                  </span>
                </li>
              ))}
          </ol>
        </>
      )}
    </section>
  );
}
