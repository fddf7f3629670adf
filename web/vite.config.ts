import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds the server's API: the mock server, or a real `voice-agent serve`. */
const api = process.env.API_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  // The page is served by one binary under a strict Content-Security-Policy, so nothing may be inlined:
  // no data: addresses, no inline script, no polyfill script.
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: true,
    // The callers' page and the operators': two entries that share what they have in common.
    rolldownOptions: { input: ["index.html", "admin.html"] },
  },
  worker: { format: "es" },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": { target: api, ws: true } },
  },
  test: { include: ["src/**/*.test.ts", "src/**/*.test.tsx"], environment: "node" },
});
