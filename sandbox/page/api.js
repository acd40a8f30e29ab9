// HTTP calls to the sandbox, and helpers shared by the page's modules.

export async function call(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  }).catch(() => {
    throw new Error("The sandbox does not answer: is it still running?");
  });
  const read = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(read.error || `${answer.status} ${answer.statusText}`);
  return read;
}

export const get = (path) => call("GET", path);
export const post = (path, body = {}) => call("POST", path, body);

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

export function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// Keeps a list scrolled to its end while it grows or is resized, until the reader scrolls up. Returns a function that
// scrolls to the end at once.
export function stayAtEnd(list) {
  let atEnd = true;
  const toEnd = () => {
    atEnd = true;
    list.scrollTop = list.scrollHeight;
  };
  const keep = () => atEnd && toEnd();
  list.addEventListener("scroll", () => (atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60));
  new ResizeObserver(keep).observe(list);
  new MutationObserver(keep).observe(list, { childList: true });
  return toEnd;
}

// All times are shown in the portal's time zone, as the bot does.
let timeZone;
export const setTimeZone = (name) => (timeZone = name);
export const timeOf = (date) => date.toLocaleTimeString("en-GB", { timeZone, hour: "2-digit", minute: "2-digit" });
export const secondsOf = (date) => date.toLocaleTimeString("en-GB", { timeZone });
