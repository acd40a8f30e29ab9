// Places around the classroom: their distances, the plan on which one is chosen, and the small map in a message.

import { el, icon, svg } from "./phone-dom.js";

const METRES_PER_DEGREE = 111_110; // of latitude
const DEFAULT_PLACES = [
  ["in-class", 8],
  ["40m", 40],
  ["70m", 70],
  ["2km", 2000],
];
// Where each place stands on the plan, in percent: right, down.
const SPOTS = { "in-class": [30, 66], "40m": [46, 30], "70m": [68, 58], "2km": [87, 22] };

// The classroom is where the teacher's phone is.
export function roomOf(sandbox) {
  const teacher = sandbox.people.find(({ chats }) => chats?.includes("teacher") && chats.length === 1);
  return (teacher ?? sandbox.people[0])?.place;
}

// The places that a phone can be at: {name, metres, location}.
export function places(sandbox) {
  const room = roomOf(sandbox);
  const given =
    sandbox.places ??
    DEFAULT_PLACES.map(([name, metres]) => ({
      name,
      metres,
      latitude: room.latitude + metres / METRES_PER_DEGREE,
      longitude: room.longitude,
      horizontal_accuracy: 5,
    }));
  return given.map(({ name, metres, latitude, longitude, horizontal_accuracy: accuracy }) => ({
    name,
    metres,
    location: { latitude, longitude, ...(accuracy && { horizontal_accuracy: accuracy }) },
  }));
}

export function metresBetween(one, other) {
  const down = (one.latitude - other.latitude) * METRES_PER_DEGREE;
  const right = (one.longitude - other.longitude) * METRES_PER_DEGREE * Math.cos((one.latitude * Math.PI) / 180);
  return Math.hypot(down, right);
}

const length = (metres, words) =>
  metres < 1000 ? `${Math.round(metres)} ${words.metre}` : `${Math.round(metres / 100) / 10} ${words.kilometre}`;

const capital = (text) => text[0].toUpperCase() + text.slice(1);

// A distance in words: "In class, 8 m" or "70 m from the classroom".
export function whereabouts(location, room, words) {
  if (!room) return `${location.latitude.toFixed(5)}, ${location.longitude.toFixed(5)}`;
  const metres = metresBetween(location, room);
  return metres < 25
    ? `${capital(words.inClass)}, ${length(metres, words)}`
    : `${length(metres, words)} ${words.fromClass}`;
}

const block = (x, y, width, height) => svg("rect", { class: "house", x, y, width, height, rx: 4 });

// The plan: a campus with the classroom, and a button for each place. `action`: the beginning of their data-action.
export function plan(all, words, action) {
  const drawing = svg(
    "svg",
    { viewBox: "0 0 320 190", "aria-hidden": "true", preserveAspectRatio: "xMidYMid slice" },
    svg("path", {
      class: "road",
      d: "M-5 42C70 52 105 20 190 34S270 60 325 52M214 -5C206 60 226 120 208 195M-5 168C60 150 130 176 212 150S290 130 325 148",
    }),
    svg("ellipse", { class: "park", cx: 265, cy: 100, rx: 34, ry: 22 }),
    block(14, 66, 26, 22),
    block(118, 62, 30, 26),
    block(240, 8, 34, 24),
    block(286, 66, 26, 20),
    block(152, 100, 38, 26),
    block(16, 12, 40, 20),
    svg("rect", { class: "room", x: 52, y: 84, width: 88, height: 60, rx: 6 }),
    svg("text", { x: 96, y: 102, "text-anchor": "middle" }, words.classroom),
  );
  const buttons = all.map(({ name, metres }) => {
    const label = name === "in-class" ? capital(words.inClass) : length(metres, words);
    const button = el(
      "button",
      { type: "button", class: "spot", "data-action": `${action}:${name}` },
      icon("pin"),
      el("span", {}, label),
    );
    const [right, down] = SPOTS[name] ?? [50, 50];
    button.style.left = `${right}%`;
    button.style.top = `${down}%`;
    return button;
  });
  return el("div", { class: "plan" }, drawing, buttons);
}

// A small map with a pin, as in a message with a location.
export function map() {
  return svg(
    "svg",
    { viewBox: "0 0 240 110", class: "map", "aria-hidden": "true" },
    svg("path", {
      class: "road",
      d: "M-5 30C60 42 120 12 245 34M70 -5C62 40 84 70 66 115M-5 92C60 76 150 100 245 78M170 -5C180 40 160 80 176 115",
    }),
    svg("rect", { class: "house", x: 20, y: 46, width: 34, height: 24, rx: 3 }),
    svg("rect", { class: "house", x: 188, y: 44, width: 34, height: 22, rx: 3 }),
    svg("rect", { class: "room", x: 92, y: 42, width: 60, height: 36, rx: 4 }),
    svg("path", { class: "mark", d: "M122 66c-8-9-13-16-13-23a13 13 0 0 1 26 0c0 7-5 14-13 23" }),
    svg("circle", { class: "hole", cx: 122, cy: 43, r: 4.5 }),
  );
}
