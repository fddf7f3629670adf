import type { ClientEvent } from "./protocol";
import type { Screen } from "./state";
import type { Store } from "./store";

/** Neither side of a picture is longer, in pixels: print of any usual size can be read in it, and more costs time and money. */
const LONGEST_SIDE = 2_048;
/** A larger screen is made smaller by the browser: in a room its video is what the agent sees, and nobody could scale that later. */
const CAPTURE = { frameRate: 5, width: { max: LONGEST_SIDE }, height: { max: LONGEST_SIDE } };
/** A picture that is larger is made again with the next of these qualities, in bytes. */
const LARGE_BYTES = 300_000;
const QUALITIES = [0.8, 0.5, 0.25];
/** What fits into one message as base64, in bytes. */
const PIECE_BYTES = 5_700;

/** The caller's screen, while it is shared: one picture whenever the agent asks for one, and never another. */
export class ScreenShare {
  private stream: MediaStream | null = null;
  private video: HTMLVideoElement | null = null;

  constructor(
    private readonly store: Store,
    private readonly send: (event: ClientEvent) => boolean,
  ) {}

  /** What is shared, where a connection carries it as a video. */
  get track(): MediaStreamTrack | null {
    return this.stream?.getVideoTracks()[0] ?? null;
  }

  /** Whether this browser can share at all; telephones cannot. */
  static get isPossible(): boolean {
    return typeof navigator.mediaDevices?.getDisplayMedia === "function";
  }

  /** The browser asks what is to be shared. Who says no has changed nothing. */
  async start(): Promise<void> {
    if (!this.is("off")) return;
    this.store.dispatch({ type: "screen", screen: "asking" });
    let stream: MediaStream | null = null;
    try {
      stream = await navigator.mediaDevices.getDisplayMedia({ video: CAPTURE, audio: false });
      const video = document.createElement("video");
      video.muted = true;
      video.srcObject = stream;
      await video.play();
      if (!this.is("asking")) {
        // The call ended meanwhile.
        letGo(stream);
        return;
      }
      this.stream = stream;
      this.video = video;
      for (const track of stream.getVideoTracks()) track.onended = () => this.stop();
      this.store.dispatch({ type: "screen", screen: "on" });
      this.tell();
    } catch (error) {
      // Chosen, and not to be shown: the browser must not go on sharing it.
      if (stream !== null) letGo(stream);
      if (this.is("asking")) this.store.dispatch({ type: "screen", screen: "off" });
      if (!(error instanceof DOMException)) throw error;
      if (error.name === "NotAllowedError") return;
      const notice = "Your screen could not be shared. Please try again, or choose another window.";
      this.store.dispatch({ type: "notice", notice });
    }
  }

  stop(): void {
    if (this.stream !== null) letGo(this.stream);
    this.stream = null;
    this.video = null;
    if (this.is("off")) return;
    this.store.dispatch({ type: "screen", screen: "off" });
    this.tell();
  }

  /** A new connection does not know of it. */
  handleReady(): void {
    if (this.stream !== null) this.tell();
  }

  /** The agent looks at the video. */
  handleLooked(): void {
    if (this.stream !== null) this.store.dispatch({ type: "looked", atMs: Date.now() });
  }

  /** The agent wants to see. Always answered, for somebody waits; and always shown. */
  async look(lookId: number): Promise<void> {
    const picture = this.video === null ? null : await pictureOf(this.video);
    if (picture !== null) this.store.dispatch({ type: "looked", atMs: Date.now() });
    this.sendPieces(lookId, picture ?? new Uint8Array());
  }

  /** All at once: a timer between them would wait for seconds in a tab that is behind the shared one. */
  private sendPieces(lookId: number, picture: Uint8Array): void {
    for (let from = 0; ; from += PIECE_BYTES) {
      const last = from + PIECE_BYTES >= picture.length;
      const data = base64(picture.subarray(from, from + PIECE_BYTES));
      if (this.stream === null && picture.length > 0) return;
      if (!this.send({ type: "picture", look_id: lookId, data, last }) || last) return;
    }
  }

  /** The state changes while the browser asks. */
  private is(screen: Screen): boolean {
    return this.store.state.screen === screen;
  }

  private tell(): void {
    this.send({ type: "screen", sharing: this.stream !== null });
  }
}

function letGo(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

/** What the video shows now, as WebP; null where nothing is shown, or the browser cannot write WebP. */
async function pictureOf(video: HTMLVideoElement): Promise<Uint8Array | null> {
  const { videoWidth, videoHeight } = video;
  if (videoWidth === 0 || videoHeight === 0) return null;
  const scale = Math.min(1, LONGEST_SIDE / Math.max(videoWidth, videoHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(videoWidth * scale);
  canvas.height = Math.round(videoHeight * scale);
  canvas.getContext("2d")?.drawImage(video, 0, 0, canvas.width, canvas.height);
  let smallest: Blob | null = null;
  for (const quality of QUALITIES) {
    smallest = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/webp", quality));
    if (smallest === null || smallest.type !== "image/webp") return null;
    if (smallest.size <= LARGE_BYTES) break;
  }
  return smallest === null ? null : new Uint8Array(await smallest.arrayBuffer());
}

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
