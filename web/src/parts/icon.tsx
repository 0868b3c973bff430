// Drawn here, so that nothing is fetched and nothing is licensed.
const PATHS = {
  chat: "M4 5h16v11H9l-5 4z",
  models: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM12 12l8-4.5M12 12v9M12 12L4 7.5",
  live: "M3 12h4l3-8 4 16 3-8h4",
  documents: "M6 3h8l5 5v13H6zM14 3v5h5M9 13h7M9 17h7",
  proof: "M12 3l7 3v6c0 5-3 7.5-7 9-4-1.500-7-4-7-9V6zM9 12l2.200 2.200L15.500 10",
  doctor: "M6 3v6a4 4 0 008 0V3M10 13v2a5 5 0 0010 0v-2M20 13a1.500 1.500 0 100-3 1.500 1.500 0 000 3",
  send: "M5 12h13M12 5l7 7-7 7",
  stop: "M7 7h10v10H7z",
  again: "M20 11a8 8 0 10-2.300 6M20 5v6h-6",
  branch: "M7 4v16M7 14c0-4 10-2 10-8M17 6a2 2 0 100-4 2 2 0 000 4",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  done: "M5 12.500l5 5L19 7",
  down: "M12 5v14M6 13l6 6 6-6",
  previous: "M14 6l-6 6 6 6",
  next: "M10 6l6 6-6 6",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  edit: "M4 20l1-5L16 4l4 4L9 19z",
  search: "M10.500 17a6.500 6.500 0 100-13 6.500 6.500 0 000 13M15.500 15.500L21 21",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.500 9.500h.01",
  tune: "M4 7h9M17 7h3M15 5v4M4 17h3M11 17h9M9 15v4",
  light: "M12 8a4 4 0 100 8 4 4 0 000-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.500 1.500M17.500 17.500L19 19M5 19l1.500-1.500M17.500 6.500L19 5",
  tool: "M14 7a4 4 0 015-4l-2.500 2.500 2 2L21 5a4 4 0 01-5.500 5L7 18.500 5.500 20 4 18.500 5.500 17z",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  menu: "M4 7h16M4 12h16M4 17h16",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
