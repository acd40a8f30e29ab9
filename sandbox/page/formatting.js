// Converts a message's HTML into nodes. Only Telegram's tags are kept, and of attributes only checked links: the text
// comes from a bot, and parts of it from people.

import { make } from "./api.js";

const TAGS = new Set(["B", "STRONG", "I", "EM", "U", "INS", "S", "STRIKE", "DEL", "CODE", "PRE", "BLOCKQUOTE", "TG-SPOILER"]);
// Addresses and bot commands, which apps make clickable in plain text.
const CLICKABLE = /https?:\/\/[^\s<>"]+|(?<![\w/@<>.])\/[A-Za-z0-9_]{1,64}(?![\w/])/g;

// `actions`: openBot(bot, code, anchor), command(text), copy(text). `bot`: the username or list of usernames, in lower
// case, whose links are opened on this page.
export function formatted(html, bot, actions) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  const result = document.createDocumentFragment();
  result.append(...children(parsed.body, bot, actions, false));
  return result;
}

function children(node, bot, actions, plain) {
  return [...node.childNodes].flatMap((child) => {
    if (child.nodeType === Node.TEXT_NODE) return plain ? [child.data] : clickable(child.data, bot, actions);
    if (child.nodeType !== Node.ELEMENT_NODE) return [];
    if (child.tagName === "A") return [link(child.getAttribute("href") || "", child.textContent, bot, actions)];
    if (!TAGS.has(child.tagName)) return children(child, bot, actions, plain);
    const isCode = child.tagName === "CODE" || child.tagName === "PRE";
    const copy = make(child.tagName.toLowerCase(), {}, ...children(child, bot, actions, plain || isCode));
    if (child.tagName === "CODE") {
      copy.title = "Copy";
      copy.addEventListener("click", () => actions.copy(copy.textContent));
    }
    return [copy];
  });
}

function clickable(text, bot, actions) {
  const pieces = [];
  let before = 0;
  for (const found of text.matchAll(CLICKABLE)) {
    pieces.push(text.slice(before, found.index));
    pieces.push(found[0].startsWith("/") ? command(found[0], actions) : link(found[0], found[0], bot, actions));
    before = found.index + found[0].length;
  }
  return [...pieces, text.slice(before)];
}

function command(text, actions) {
  const button = make("button", { type: "button", className: "inline-link", textContent: text });
  button.addEventListener("click", () => actions.command(text));
  return button;
}

function link(address, words, bot, actions) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return words;
  }
  if (!["http:", "https:"].includes(url.protocol)) return words;
  const code = url.searchParams.get("start");
  const name = url.pathname.slice(1).toLowerCase();
  if (url.hostname === "t.me" && [bot].flat().includes(name) && code !== null) {
    const button = make("button", { type: "button", className: "inline-link", textContent: words });
    button.addEventListener("click", () => actions.openBot(name, code, button));
    return button;
  }
  return make("a", { href: url.href, target: "_blank", rel: "noopener noreferrer", textContent: words });
}
