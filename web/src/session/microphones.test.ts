import { describe, expect, it } from "vitest";
import { choicesOf } from "./microphones";

const input = (deviceId: string, label: string) => ({ kind: "audioinput" as const, deviceId, label });

describe("the choice of microphones", () => {
  it("is empty before the permission, when the browser names nothing", () => {
    expect(choicesOf([input("", ""), { kind: "audiooutput", deviceId: "out", label: "Speakers" }])).toEqual([]);
  });

  it("names the system's choice once, then every microphone once", () => {
    const devices = [
      input("default", "Default - Headset (046d:0825)"),
      input("communications", "Communications - Headset"),
      input("a", "Headset (046d:0825)"),
      input("b", "Built-in (Array)"),
    ];
    expect(choicesOf(devices)).toEqual([
      { id: "", label: "System default (Headset)" },
      { id: "a", label: "Headset" },
      { id: "b", label: "Built-in (Array)" },
    ]);
  });

  it("numbers microphones without a name", () => {
    expect(choicesOf([input("a", ""), input("b", " ")]).map((choice) => choice.label)).toEqual([
      "System default",
      "Microphone 1",
      "Microphone 2",
    ]);
  });
});
