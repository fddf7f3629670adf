import { useEffect, useState } from "preact/hooks";
import type { AdminApi } from "./api";
import { byCall, formatMoment, formatSize, type Part } from "./model";
import { save } from "./watch";

interface Props {
  api: AdminApi;
  /** Whether this role may hear and read them, and not only see that they are there. */
  mayOpen: boolean;
  onNotice(words: string): void;
}

/** The recordings, newest first. Each that is opened is written into the access log by the server before it answers. */
export function Recordings({ api, mayOpen, onNotice }: Props) {
  const [parts, setParts] = useState<Part[] | null>(null);
  const [heard, setHeard] = useState<{ name: string; url: string } | null>(null);
  const tell = (error: unknown) => onNotice(error instanceof Error ? error.message : String(error));
  const look = async () => {
    try {
      setParts(byCall(await api.recordings()));
    } catch (error) {
      tell(error);
    }
  };
  useEffect(() => () => heard !== null && URL.revokeObjectURL(heard.url), [heard]);
  const open = async (name: string, then: (content: Blob) => void) => {
    try {
      then(await api.recording(name));
    } catch (error) {
      tell(error);
    }
  };
  return (
    <section class="panel office recordings" aria-labelledby="recordings-title" data-testid="recordings">
      <header class="watch-head">
        <h2 id="recordings-title">Recordings</h2>
        <button type="button" class="button button-small" data-testid="list-recordings" onClick={() => void look()}>
          {parts === null ? "List recordings" : "List again"}
        </button>
      </header>
      <p class="note">Whoever lists, plays or saves one is written down in the access log.</p>
      {heard !== null && (
        // biome-ignore lint/a11y/useMediaCaption: its words are a file beside it
        <audio controls autoplay src={heard.url} aria-label={heard.name} data-testid="player" />
      )}
      {parts !== null && parts.length === 0 && (
        <p class="note" data-testid="no-recordings">
          No recordings are kept here.
        </p>
      )}
      {parts !== null && parts.length > 0 && (
        <table class="recordings-table">
          <thead>
            <tr>
              <th scope="col">Begun</th>
              <th scope="col">Call</th>
              <th scope="col">Person</th>
              <th scope="col">Size</th>
              <th scope="col">
                <span class="visually-hidden">What can be done</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {parts.map((part) => (
              <tr key={part.sound ?? part.words} data-testid="recording">
                <td class="numeric">{formatMoment(part.begun)}</td>
                <td class="numeric">{part.session}</td>
                <td class="numeric" title={part.owner}>
                  {part.owner.slice(0, 8)}…
                </td>
                <td class="numeric">
                  {formatSize(part.bytes)}
                  {part.waiting && " (not yet in its storage)"}
                </td>
                <td>{mayOpen && <Acts part={part} onOpen={open} onHear={(name, url) => setHeard({ name, url })} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

interface ActsProps {
  part: Part;
  onOpen(name: string, then: (content: Blob) => void): Promise<void>;
  onHear(name: string, url: string): void;
}

function Acts({ part, onOpen, onHear }: ActsProps) {
  const { sound, words } = part;
  return (
    <span class="watch-acts">
      {sound !== null && (
        <>
          <button
            type="button"
            class="button button-small"
            data-testid="play"
            onClick={() => void onOpen(sound, (content) => onHear(sound, URL.createObjectURL(content)))}
          >
            Play
          </button>
          <button
            type="button"
            class="button button-small"
            data-testid="download-sound"
            onClick={() => void onOpen(sound, (content) => save(`${part.session}.ogg`, content))}
          >
            Save sound
          </button>
        </>
      )}
      {words !== null && (
        <button
          type="button"
          class="button button-small"
          data-testid="download-words"
          onClick={() => void onOpen(words, (content) => save(`${part.session}.jsonl`, content))}
        >
          Save words
        </button>
      )}
    </span>
  );
}
