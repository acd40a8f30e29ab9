// What a rehearsal records of the page, raw: portal/trace.py drops or replaces what may name a person. The body of one
// script call. `tree`: [tag, class names, attributes, children], texts as strings, without the values of fields.
// `requests`: [kind, status, bytes, milliseconds] of those that ended since the last call, without their addresses.
let left = 4000;

const tree = (node) => {
  if (node.nodeType === Node.TEXT_NODE) return node.textContent.trim() || null;
  if (node.nodeType !== Node.ELEMENT_NODE || node.matches("script, style, noscript, link, textarea") || left <= 0) return null;
  left -= 1;
  const attributes = ["role", "type", "aria-disabled"].filter((name) => node.hasAttribute(name))
    .map((name) => [name, node.getAttribute(name)]);
  if (getComputedStyle(node).visibility === "hidden") attributes.push(["style", "hidden"]);
  const children = [...node.childNodes].map(tree).filter((each) => each !== null);
  return [node.localName, [...node.classList], attributes, children];
};

const kinds = { "/HEARTBEAT": "heartbeat", "/UIDL": "uidl", "/PUSH": "push", vaadinPush: "push-script", "/VAADIN/": "file" };
const kind = ({ host, pathname, search }) => {
  if (host !== location.host) return "foreign";
  const part = Object.keys(kinds).find((each) => pathname.includes(each));
  return kinds[part] || (/^\?v-\d/.test(search) ? "browser-details" : "other");
};

const pages = window.attendanceRecorded ? [] : performance.getEntriesByType("navigation");
window.attendanceRecorded = true;
const ended = [...pages, ...performance.getEntriesByType("resource")];
performance.clearResourceTimings();
return {
  tree: document.body && tree(document.body),
  requests: ended.map((each) => [
    pages.includes(each) ? "page" : kind(new URL(each.name)),
    each.responseStatus || 0, each.transferSize, Math.round((each.responseEnd || each.startTime) - each.startTime)]),
};
