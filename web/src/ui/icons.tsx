/** The page's few pictures: strokes in the colour of the text, hidden from screen readers (the words stand beside them). */

const PATHS = {
  microphone: "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3ZM5.5 10.5v.5a6.5 6.5 0 0 0 13 0v-.5M12 17.5V21",
  muted:
    "M9 9v2a3 3 0 0 0 4.8 2.4M15 11V6a3 3 0 0 0-5.8-1.1M5.5 10.5v.5a6.5 6.5 0 0 0 10.4 5.2M18.5 11v-.5M12 17.5V21M4 4l16 16",
  keyboard:
    "M4.5 6.5h15a1.5 1.5 0 0 1 1.5 1.5v8a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 16V8a1.5 1.5 0 0 1 1.5-1.5ZM7 10h.01M11 10h.01M15 10h.01M8.5 14h7",
  record: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
  send: "M5 12h13M12.5 6l6 6-6 6",
  hangup: "M3.5 14.5c4.5-5 12.5-5 17 0l-2.3 2.6-3.4-1.6v-2.6a10 10 0 0 0-5.6 0v2.6l-3.4 1.6Z",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.2 10.5v6M13.8 10.5v6",
  pencil: "M4.5 19.5l.8-4L15.8 5a1.8 1.8 0 0 1 2.5 0l.7.7a1.8 1.8 0 0 1 0 2.5L8.5 18.7Z",
  plus: "M12 5v14M5 12h14",
  check: "M5 12.5l4.5 4.5L19 7.5",
  calendar: "M5 6.5h14v13H5ZM5 10.5h14M8.5 4v4M15.5 4v4",
  sound: "M4.5 9.5v5h3.5l5 4v-13l-5 4ZM16.5 9a4.5 4.5 0 0 1 0 6",
  alert:
    "M12 8.5v4.5M12 16.2v.1M10.4 4.4 2.9 17.6A1.8 1.8 0 0 0 4.5 20.3h15a1.8 1.8 0 0 0 1.6-2.7L13.6 4.4a1.8 1.8 0 0 0-3.2 0Z",
  chevron: "M7 14.5l5-5 5 5",
  clock: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16ZM12 7.5V12l3 2",
  key: "M8 18.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM10.9 11.7 19 4M16 6.8l2.5 2.6",
  windows: "M9 4.5h9.5A1.5 1.5 0 0 1 20 6v8M4 9.5h11a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1Z",
  sliders:
    "M4 8h8M18 8h2M15 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM4 16h2M12 16h8M9 18.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z",
  plug: "M9 3.5v4M15 3.5v4M7 7.5h10v3.5a5 5 0 0 1-10 0ZM12 16v4.5",
  cloud: "M7.5 18.5a4 4 0 0 1-.6-7.9 5.5 5.5 0 0 1 10.6 1.5 3.2 3.2 0 0 1-.5 6.4M9.5 15.5l5 5M14.5 15.5l-5 5",
  screen:
    "M4.5 5h15A1.5 1.5 0 0 1 21 6.5v9a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 15.5v-9A1.5 1.5 0 0 1 4.5 5ZM9 20.5h6M12 17v3.5",
  close: "M6 6l12 12M18 6L6 18",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.8"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
