// Debian's Chromium under playwright-core, with a WAV as its microphone, ended for certain.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { readWav, silence, writeWav } from "./wav.mjs";

const QUIET = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-default-apps",
  "--disable-sync",
  "--disable-domain-reliability",
  "--no-first-run",
  "--no-default-browser-check",
  "--metrics-recording-only",
  "--autoplay-policy=document-user-activation-required",
];

const open = new Set();

/** Ends every browser that is still open, for a process that is about to leave. */
export async function closeBrowsers() {
  await Promise.all([...open].map((close) => close()));
}

/**
 * Starts Chromium. `microphone` is { wav, leadMs }: a WAV file that the microphone plays once, after so much silence.
 * `close` ends the browser and removes what was made for it; call it in a finally block. Should this process die
 * before, Chromium ends by itself, because its debugging pipe closes. Whoever shares a screen shares the tab whose title has
 * `screen` in it, without being asked.
 */
export async function openBrowser({
  microphone = null,
  screen = null,
  executable = process.env.CHROMIUM ?? "/usr/bin/chromium",
} = {}) {
  const scratch = mkdtempSync(join(tmpdir(), "voice-agent-browser-"));
  const args = [...QUIET, "--use-fake-device-for-media-stream"];
  if (microphone !== null) {
    const { samples, rate } = readWav(microphone.wav);
    const file = join(scratch, "microphone.wav");
    const parts = [silence(rate, microphone.leadMs), samples, silence(rate, 10_000)];
    writeFileSync(file, writeWav(parts, rate));
    args.push(`--use-file-for-fake-audio-capture=${file}%noloop`);
  }
  if (screen !== null) args.push(`--auto-select-tab-capture-source-by-title=${screen}`);
  let browser;
  try {
    browser = await chromium.launch({ executablePath: executable, headless: true, args });
  } catch (error) {
    rmSync(scratch, { recursive: true, force: true });
    throw error;
  }
  const close = async () => {
    open.delete(close);
    await browser.close().catch(() => undefined);
    rmSync(scratch, { recursive: true, force: true });
  };
  open.add(close);
  return { browser, close };
}

/** Throws once a promise takes longer than `ms`. */
export async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Plays the whole call, prints what came of it as one line of JSON, and ends the process: code 0 when all was well. */
export async function conclude(result, timeoutMs, call) {
  try {
    await within(timeoutMs, "the whole call", call);
  } catch (error) {
    result.ok = false;
    result.error = error instanceof Error ? error.message : String(error);
  }
  // A call that took too long still has its browser.
  await within(10_000, "closing the browser", closeBrowsers()).catch(() => undefined);
  await new Promise((resolve) => process.stdout.write(`${JSON.stringify(result)}\n`, resolve));
  process.exit(result.ok ? 0 : 1);
}
