import { type Action, reduce } from "./reducer";
import { initialState, type SessionState } from "./state";

/** The state and whoever watches it. */
export class Store {
  private current: SessionState = initialState();
  private readonly listeners = new Set<() => void>();

  get state(): SessionState {
    return this.current;
  }

  dispatch(action: Action): void {
    const next = reduce(this.current, action);
    if (next === this.current) return;
    this.current = next;
    for (const listener of this.listeners) listener();
  }

  /** Calls `listener` after every change, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}
