// Fails when what a page loads first grows over its limit, or the callers' page loads anything of the operators'. Run after
// a build.

import { readdirSync, readFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const LIMIT_BYTES = 100_000;
/** Not part of the first load: the tests' hook, letters beyond Latin-1, and what a room needs. */
const LATER = /test-hook|latin-ext|livekit-client/;

const files = readdirSync(DIST, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !LATER.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name));

/** Every file that a page names, and what those name in turn. */
function loadedBy(page) {
  const found = new Set([join(DIST, page)]);
  for (const file of found) {
    if (!/\.(html|css|js)$/.test(file)) continue;
    const text = readFileSync(file, "utf8");
    for (const other of files) if (!other.endsWith(".html") && text.includes(basename(other))) found.add(other);
  }
  return [...found];
}

function measure(page) {
  const loaded = loadedBy(page);
  const compressed = (file) => {
    const bytes = readFileSync(file);
    return extname(file) === ".woff2" ? bytes.length : gzipSync(bytes).length;
  };
  const total = loaded.reduce((sum, file) => sum + compressed(file), 0);
  console.log(`${page}: first load ${(total / 1000).toFixed(1)} kB compressed (limit ${LIMIT_BYTES / 1000} kB)`);
  return { total, loaded };
}

const callers = measure("index.html");
const operators = measure("admin.html");
const stray = callers.loaded.filter((file) => basename(file).startsWith("admin"));
if (stray.length > 0) console.error(`the callers' page loads ${stray.join(", ")}`);
if (stray.length > 0 || Math.max(callers.total, operators.total) > LIMIT_BYTES) process.exit(1);
