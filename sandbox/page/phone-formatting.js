// Converts a message's HTML into nodes. Only Telegram's tags are kept, without their attributes, and of links only web
// addresses: the text comes from a bot, and parts of it from people. What can be pressed has a `data-action`; the chat
// acts on it.

import { el } from "./phone-dom.js";

const TAGS = new Set(["B", "STRONG", "I", "EM", "U", "INS", "S", "STRIKE", "DEL", "CODE", "PRE", "BLOCKQUOTE"]);
// Addresses and bot commands, which apps make clickable in plain text.
const CLICKABLE = /https?:\/\/[^\s<>"]+|(?<![\w/@<>.])\/[A-Za-z0-9_]{1,64}(?![\w/])/g;

// `bots`: usernames in lower case whose start links are opened on this page.
export function formatted(html, bots = []) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  const result = document.createDocumentFragment();
  result.append(...children(parsed.body, bots, false));
  return result;
}

function children(node, bots, plain) {
  return [...node.childNodes].flatMap((child) => {
    if (child.nodeType === Node.TEXT_NODE) return plain ? [child.data] : clickable(child.data, bots);
    if (child.nodeType !== Node.ELEMENT_NODE) return [];
    if (child.tagName === "A") return [link(child.getAttribute("href") || "", child.textContent, bots)];
    const pressed = { role: "button", tabindex: "0" };
    if (child.tagName === "TG-SPOILER") {
      return [el("span", { ...pressed, class: "spoiler", "data-action": "spoiler" }, ...children(child, bots, true))];
    }
    if (!TAGS.has(child.tagName)) return children(child, bots, plain);
    const isCode = child.tagName === "CODE" || child.tagName === "PRE";
    const copied = child.tagName === "CODE" && child.parentElement.tagName !== "PRE";
    const attributes = copied ? { ...pressed, title: "Copy", "data-action": "copy" } : {};
    return [el(child.tagName.toLowerCase(), attributes, ...children(child, bots, plain || isCode))];
  });
}

function clickable(text, bots) {
  const pieces = [];
  let before = 0;
  for (const found of text.matchAll(CLICKABLE)) {
    pieces.push(text.slice(before, found.index));
    pieces.push(found[0].startsWith("/") ? command(found[0]) : link(found[0], found[0], bots));
    before = found.index + found[0].length;
  }
  return [...pieces, text.slice(before)].filter((piece) => piece !== "");
}

const command = (text) =>
  el("button", { type: "button", class: "inline-link", "data-action": `command:${text}` }, text);

function link(address, words, bots) {
  const opened = startLink(address, bots);
  if (opened) {
    const attributes = {
      type: "button",
      class: "inline-link",
      "data-action": `link:${opened.code}`,
      "data-bot": opened.bot,
    };
    return el("button", attributes, words);
  }
  const url = webAddress(address);
  return url ? el("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, words) : words;
}

// The address if it is one of the web, else null: no `javascript:`, no `data:`.
export function webAddress(address) {
  if (!URL.canParse(address)) return null;
  const url = new URL(address);
  return ["http:", "https:"].includes(url.protocol) ? url : null;
}

// What a link `https://t.me/<bot>?start=<code>` to one of these bots opens, else null.
export function startLink(address, bots) {
  const url = webAddress(address);
  const bot = url?.pathname.slice(1).toLowerCase();
  const code = url?.searchParams.get("start") ?? null;
  return url?.hostname === "t.me" && code !== null && bots.includes(bot) ? { bot, code } : null;
}
