import type { MicrophoneChoice } from "./state";

/** The system's own choice, for which no device is named. */
export const SYSTEM_MICROPHONE: MicrophoneChoice = { id: "", label: "System default" };

/** Chromium lists its two roles beside the devices that hold them. */
const ROLES = new Set(["default", "communications"]);

type Device = Pick<MediaDeviceInfo, "kind" | "deviceId" | "label">;

/**
 * What a person can choose from: the system's choice first, then every microphone once. Before the permission the
 * browser names no device (ids and labels are empty), and there is nothing to choose.
 */
export function choicesOf(devices: readonly Device[]): MicrophoneChoice[] {
  const inputs = devices.filter((device) => device.kind === "audioinput" && device.deviceId !== "");
  const real = inputs.filter((device) => !ROLES.has(device.deviceId));
  if (real.length === 0) return [];
  const named = real.map(({ deviceId, label }, i) => ({ id: deviceId, label: plainLabel(label, i) }));
  const role = inputs.find((device) => device.deviceId === "default")?.label.replace(/^Default\s*-\s*/i, "") ?? "";
  const holder = role === "" ? "" : ` (${plainLabel(role, 0)})`;
  return [{ ...SYSTEM_MICROPHONE, label: SYSTEM_MICROPHONE.label + holder }, ...named];
}

/** Drivers put ids that nobody reads behind a name, as in "USB Audio (046d:0825)". */
function plainLabel(label: string, index: number): string {
  const plain = label.replace(/\s*\([0-9a-f]{4}:[0-9a-f]{4}\)\s*$/i, "").trim();
  return plain === "" ? `Microphone ${index + 1}` : plain;
}

/** Watches what is plugged in. A browser without the list has nothing to choose from. */
export function watchMicrophones(onChange: (choices: MicrophoneChoice[]) => void): { refresh(): Promise<void> } {
  const media: MediaDevices | undefined = navigator.mediaDevices;
  const refresh = async () => {
    if (media?.enumerateDevices === undefined) return;
    try {
      onChange(choicesOf(await media.enumerateDevices()));
    } catch {
      // A policy may forbid the list; then the system's choice is used, as it is without one.
      onChange([]);
    }
  };
  media?.addEventListener?.("devicechange", () => void refresh());
  return { refresh };
}
