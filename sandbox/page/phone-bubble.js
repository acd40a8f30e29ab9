// Draws one message as a bubble. The nodes have no listeners: the chat finds out from `data-action` what was pressed.

import { timeOf } from "./api.js";
import { formatted, startLink, webAddress } from "./phone-formatting.js";
import { el, icon, svg } from "./phone-dom.js";
import { map, whereabouts } from "./phone-places.js";

const ALT = 100; // characters of a caption that describe its picture
const MEDIA = ["photo", "video_note", "document", "location", "contact"];

// `about`: {words, sender, bots, room, file(id), isWaiting(row, column), isRead, isLast, now}. `isLast`: the next message
// is of the other side, so that this bubble has the tail. `now`: seconds since 1970.
export function bubble(message, about) {
  const { words } = about;
  const mine = message.from === "person";
  const kind = MEDIA.find((each) => message[each]) ?? "text";
  const time = timeOf(new Date(message.date * 1000));
  const meta = el(
    "span",
    { class: "meta" },
    message.edited && el("span", {}, words.edited),
    el("time", { datetime: new Date(message.date * 1000).toISOString() }, time),
    mine && ticks(about.isRead, words),
  );
  const body = el(
    "div",
    { class: "body" },
    message.forwarded && el("p", { class: "forwarded" }, words.forwarded),
    kind !== "text" && DRAWN[kind](message, about),
    text(message, kind, about),
    message.reaction &&
      el(
        "span",
        { class: "reaction", role: "img", "aria-label": `${words.reaction}: ${message.reaction}` },
        message.reaction,
      ),
    meta,
  );
  const attributes = {
    class: `bubble ${message.from} ${kind}${about.isLast ? " last" : ""}`,
    role: "article",
    "aria-label": `${about.sender}, ${time}`,
    "data-message": message.message_id,
    "data-key": message.message_id,
  };
  return el("div", attributes, body, keyboard(message, about));
}

function text(message, kind, { words, bots }) {
  if (message.html) return el("div", { class: "words", dir: "auto" }, formatted(message.html, bots));
  return kind === "text" && el("div", { class: "words" }, el("i", {}, words.unknown));
}

const DRAWN = {
  photo({ photo, text: caption }, { words, file }) {
    const largest = photo[photo.length - 1];
    const alt = caption ? `${words.photo}: ${caption.slice(0, ALT)}` : words.photo;
    return el(
      "button",
      { type: "button", class: "photo", "data-action": "photo" },
      el("img", { src: file(largest.file_id), alt }),
    );
  },
  video_note({ video_note: note }, { words, file }) {
    return el(
      "button",
      { type: "button", class: "round", "data-action": "note", "aria-label": words.playNote },
      el("video", { src: file(note.file_id), muted: true, playsinline: true, preload: "metadata", tabindex: "-1" }),
      svg(
        "svg",
        { viewBox: "0 0 100 100", class: "ring", "aria-hidden": "true" },
        svg("circle", { cx: 50, cy: 50, r: 48, pathLength: 100 }),
      ),
      el("span", { class: "length" }, `0:${String(note.duration ?? 0).padStart(2, "0")}`),
    );
  },
  document({ document: sent }, { words, file }) {
    const size = sent.file_size < 1024 ? `${sent.file_size} B` : `${Math.round(sent.file_size / 1024)} kB`;
    return el(
      "a",
      { class: "file", href: file(sent.file_id), download: sent.file_name ?? "file", "data-action": "document" },
      el("span", { class: "badge" }, icon("download")),
      el("span", { class: "name" }, sent.file_name ?? "file", el("small", {}, `${size} \u00b7 ${words.download}`)),
    );
  },
  location(message, { words, room, now }) {
    const { location, from } = message;
    const isLive = location.live_period !== undefined && now < message.date + location.live_period;
    const where = whereabouts(location, room, words);
    return el(
      "div",
      { class: "place" },
      map(),
      el("p", {}, el("b", {}, isLive ? words.liveLocation : words.location), el("span", {}, where)),
      isLive &&
        from === "person" &&
        el(
          "div",
          { class: "choices" },
          el("button", { type: "button", "data-action": "live:move" }, icon("pin"), words.move),
          el("button", { type: "button", "data-action": "live:stop" }, icon("stop"), words.stopSharing),
        ),
    );
  },
  contact({ contact }) {
    const name = [contact.first_name, contact.last_name].filter(Boolean).join(" ");
    return el(
      "div",
      { class: "card" },
      avatar(name),
      el("p", {}, el("b", {}, name), el("span", {}, contact.phone_number)),
    );
  },
};

// A circle with somebody's initials, or their picture.
export function avatar(name, picture = null) {
  const letters = name
    .split(/\s+/)
    .map((part) => [...part][0] ?? "")
    .slice(0, 2)
    .join("")
    .toUpperCase();
  const tone = [...name].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 6;
  return el(
    "span",
    { class: `avatar tone-${tone}`, "aria-hidden": "true" },
    picture ? el("img", { src: picture, alt: "" }) : letters,
  );
}

function ticks(isRead, words) {
  const second = isRead && svg("path", { d: "M9.5 11.5l1.3 1.3L18 5" });
  return svg(
    "svg",
    { viewBox: "0 0 20 16", class: "ticks", role: "img", "aria-label": isRead ? words.read : words.sent },
    svg("path", { d: "M2.5 9l3.8 3.8L13.5 5" }),
    second,
  );
}

function keyboard({ buttons }, about) {
  if (!buttons?.length) return null;
  return el(
    "div",
    { class: "inlines" },
    buttons.map((row, down) =>
      el(
        "div",
        { class: "row" },
        row.map((button, right) => inline(button, down, right, about)),
      ),
    ),
  );
}

function inline({ text: label, url }, down, right, { bots, isWaiting }) {
  const attributes = { class: "inline", "data-action": `inline:${label}`, "data-at": `${down} ${right}` };
  if (url && !startLink(url, bots)) {
    const address = webAddress(url);
    if (address)
      return el("a", { ...attributes, href: address.href, target: "_blank", rel: "noopener noreferrer" }, label);
  }
  const waits = isWaiting(down, right) && { "aria-busy": "true", "aria-disabled": "true" };
  return el("button", { ...attributes, ...waits, type: "button" }, el("span", {}, label));
}
