/**
 * Who the caller is, where the server asks (`AUTH=jwt`): a bearer token that the page is given by whoever signs people
 * in, and shows to `POST /api/sessions` alone. It comes in the address's fragment, which no server ever sees, or lies in
 * `sessionStorage`, put there by a page of the same origin. It never comes in the query, which servers and proxies log.
 */

export const ACCESS_KEY = "voice-agent.access_token";

/** Three parts of base64url, as a signed JSON Web Token has. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** The token of a fragment like `#access_token=…&token_type=bearer`, or null. */
export function tokenOf(fragment: string): string | null {
  const token = new URLSearchParams(fragment.replace(/^#/, "")).get("access_token");
  return token !== null && TOKEN.test(token) ? token : null;
}

export class Access {
  private kept: string | null = null;

  constructor(private readonly page: Window) {
    this.take();
    // A link with a fresh token, followed in a page that is open already, loads nothing anew.
    page.addEventListener("hashchange", () => this.take());
  }

  /** The token to show, or null for a caller who is believed. Read anew each time: it may have been renewed. */
  get token(): string | null {
    try {
      const token = this.page.sessionStorage.getItem(ACCESS_KEY);
      if (token !== null) return TOKEN.test(token) ? token : null;
    } catch {
      // A browser may forbid storage; then the token holds as long as the page.
    }
    return this.kept;
  }

  /** The server does not take it: it has run out, or is another's. */
  forget(): void {
    this.kept = null;
    try {
      this.page.sessionStorage.removeItem(ACCESS_KEY);
    } catch {
      // Nothing was kept where nothing can be kept.
    }
  }

  private take(): void {
    const { hash, pathname, search } = this.page.location;
    if (!/[#&]access_token=/.test(hash)) return;
    // Out of the address first, whatever it is worth: an address is copied, bookmarked and photographed.
    this.page.history.replaceState(this.page.history.state, "", pathname + search);
    const token = tokenOf(hash);
    if (token === null) return;
    this.kept = token;
    try {
      this.page.sessionStorage.setItem(ACCESS_KEY, token);
    } catch {
      // As above: a reload has to sign in again.
    }
  }
}
