// Fails when what the page loads first grows over its limit. Run after a build.

import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const LIMIT_BYTES = 100_000;
/** Not part of the first load: the tests' hook, letters beyond Latin-1, and texts that nobody links to. */
const LATER = /test-hook|latin-ext|licenses/;

let total = 0;
for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (!entry.isFile() || LATER.test(path)) continue;
  const bytes = readFileSync(path);
  total += extname(path) === ".woff2" ? bytes.length : gzipSync(bytes).length;
}
console.log(`first load: ${(total / 1000).toFixed(1)} kB compressed (limit ${LIMIT_BYTES / 1000} kB)`);
if (total > LIMIT_BYTES) process.exit(1);
