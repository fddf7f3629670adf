import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { SessionState } from "../session/state";
import type { Store } from "../session/store";

/** The page's state, drawn again after every change. */
export function useSession(store: Store): SessionState {
  const [state, setState] = useState(store.state);
  useEffect(() => {
    setState(store.state);
    return store.subscribe(() => setState(store.state));
  }, [store]);
  return state;
}

/** Seconds until a moment (`Date.now()` time), counted down on the screen. */
export function useCountdown(untilMs: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [untilMs]);
  return Math.max(0, Math.ceil((untilMs - now) / 1000));
}

/** Becomes true when something has lasted `ms`; begins anew when `running` does. */
export function useLasting(running: boolean, ms: number): boolean {
  const [long, setLong] = useState(false);
  useEffect(() => {
    setLong(false);
    if (!running) return;
    const timer = setTimeout(() => setLong(true), ms);
    return () => clearTimeout(timer);
  }, [running, ms]);
  return long && running;
}

const toTalk = () => document.getElementById("talk")?.focus();

/** For what comes and goes by itself: if it has the focus when it goes, the conversation gets it, or what `onward` names. */
export function useFocusOnward<T extends HTMLElement>(onward: () => void = toTalk): RefObject<T | null> {
  const part = useRef<T>(null);
  useLayoutEffect(() => {
    const element = part.current;
    return () => {
      if (element?.contains(document.activeElement) === true) onward();
    };
  }, []);
  return part;
}
