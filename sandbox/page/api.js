// Talking to the sandbox: JSON over HTTP, and the clockwork of the page's loops.

export async function call(method, path, body, signal) {
  const answer = await fetch(path, {
    method,
    signal,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const read = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(read.error || `${answer.status} ${answer.statusText}`);
  return read;
}

export const get = (path, signal) => call("GET", path, undefined, signal);
export const post = (path, body = {}) => call("POST", path, body);

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// A hidden tab asks for nothing: a browser holds few connections to one address, and two tabs with their long
// polls would use them up.
export async function keepAsking(step, rest = 0) {
  for (;;) {
    if (document.hidden) {
      await new Promise((shown) => document.addEventListener("visibilitychange", shown, { once: true }));
      continue;
    }
    const hidden = new AbortController();
    const hang = () => hidden.abort();
    document.addEventListener("visibilitychange", hang, { once: true });
    try {
      await step(hidden.signal);
      if (rest) await pause(rest);
    } catch (error) {
      if (error.name === "AbortError") continue;
      console.error(error); // mostly: the sandbox is away
      await pause(1000);
    } finally {
      document.removeEventListener("visibilitychange", hang);
    }
  }
}

export function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// Keeps a list that is read from its end at its end, whatever is added and however it is resized, until the reader
// scrolls away. Returns what scrolls there at once.
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

// The bot and the portal speak of one town's time, wherever the reader is; so does the page.
let timeZone;
export const setTimeZone = (name) => (timeZone = name);
export const timeOf = (date) => date.toLocaleTimeString("en-GB", { timeZone, hour: "2-digit", minute: "2-digit" });
export const secondsOf = (date) => date.toLocaleTimeString("en-GB", { timeZone });
