import { afterEach, describe, expect, it, vi } from "vitest";
import { ScreenShare } from "./screen";
import { Store } from "./store";

afterEach(() => vi.unstubAllGlobals());

describe("a shared screen", () => {
  it("is asked for no larger than a picture may be, since a room shows the agent the video as it is", async () => {
    const asked: DisplayMediaStreamOptions[] = [];
    const getDisplayMedia = (options: DisplayMediaStreamOptions): Promise<MediaStream> => {
      asked.push(options);
      return Promise.reject(new DOMException("no", "NotAllowedError"));
    };
    vi.stubGlobal("navigator", { mediaDevices: { getDisplayMedia } });
    const store = new Store();
    const screen = new ScreenShare(store, () => true);
    await screen.start();
    expect(asked).toEqual([{ video: { frameRate: 5, width: { max: 2_048 }, height: { max: 2_048 } }, audio: false }]);
    expect(store.state.screen).toBe("off");
  });
});
