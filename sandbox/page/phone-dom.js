// Builds and updates nodes. Texts of people and bots become text nodes and attributes, never HTML.

const SVG = "http://www.w3.org/2000/svg";

export const el = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

function filled(node, attributes = {}, children = []) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Drawn for this page, 24 by 24.
const ICONS = {
  attach: "M19 11.5 12 18.4a4.4 4.4 0 0 1-6.3-6.2l7.4-7.3a3 3 0 0 1 4.2 4.2L10 16.3a1.5 1.5 0 0 1-2.1-2.1l6.6-6.5",
  back: "M15 5l-7 7 7 7",
  bin: "M5 7h14M10 4h4M7 7l1 13h8l1-13M10.5 11v5.5M13.5 11v5.5",
  block: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17M6 6l12 12",
  camera: "M4 8h3l1.5-2.5h7L17 8h3v11H4zM12 10a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4",
  close: "M6 6l12 12M18 6 6 18",
  commands: "M7 4h10a3 3 0 0 1 3 3v10a3 3 0 0 1-3 3H7a3 3 0 0 1-3-3V7a3 3 0 0 1 3-3M14.2 7.5l-4.4 9",
  contact: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M4.5 20c.8-3.6 3.6-5.5 7.5-5.5s6.7 1.9 7.5 5.5",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  document: "M6 3h8l4 4v14H6zM14 3v4h4",
  download: "M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14",
  down: "M6 9.5l6 6 6-6",
  edit: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  key: "M8 11a4 4 0 1 0 0 6 4 4 0 0 0 0-6M10.8 14H20v3M16.5 14v2.5",
  language: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17M3.7 12h16.6M12 3.5c-5 5-5 12 0 17 5-5 5-12 0-17",
  live: "M12 10.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3M8 8a5.6 5.6 0 0 0 0 8M16 8a5.6 5.6 0 0 1 0 8M5 5a10 10 0 0 0 0 14M19 5a10 10 0 0 1 0 14",
  more: "M12 5.5v.01M12 12v.01M12 18.5v.01",
  note: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17M10 8.5l5.5 3.5-5.5 3.5z",
  photo: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 8.5v.01",
  pin: "M12 21c-4-4.5-6.5-8-6.5-11a6.5 6.5 0 0 1 13 0c0 3-2.5 6.5-6.5 11M12 7.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5",
  send: "M4 12l16-8-5.5 16-3-6.5zM11.5 13.5 20 4",
  stop: "M7 7h10v10H7z",
};

export function icon(name) {
  return svg(
    "svg",
    { viewBox: "0 0 24 24", class: `icon icon-${name}`, "aria-hidden": "true" },
    svg("path", { d: ICONS[name] }),
  );
}

// Makes `old` equal to `fresh` and keeps every node that stays: focus, selection and videos that play survive an edit.
// The tour's mark, the class `pulse`, is kept as well.
export function morph(old, fresh) {
  const held = old.contains(document.activeElement) ? document.activeElement : null;
  sync(old, fresh);
  if (!held || document.activeElement === held) return;
  const action = held.dataset.action;
  const same = old.contains(held)
    ? held
    : [...old.querySelectorAll("[data-action]")].find((each) => each.dataset.action === action);
  const next = same ?? old.querySelector(".inline") ?? old.closest("[tabindex]");
  next?.focus({ preventScroll: true });
}

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE && (node.dataset.key ?? node.dataset.action)) || "";

function sync(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  syncAttributes(old, fresh);
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const key = keyOf(wanted);
    let same = at;
    while (same && (same.nodeName !== wanted.nodeName || keyOf(same) !== key)) same = same.nextSibling;
    if (!same) old.insertBefore(wanted, at);
    else {
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      sync(same, wanted);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function syncAttributes(old, fresh) {
  if (old.classList.contains("pulse")) fresh.classList.add("pulse");
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

// Base64 of a file or recording, as the control API takes it.
export function base64(blob) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(blob);
  });
}
