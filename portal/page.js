// Queries that run inside the portal's page. The body of one script call: its arguments are the name of a query and the
// query's argument, its result is a plain value. Class names: Vaadin 7.7 (captured in 2026).
const [query, argument] = arguments;

const text = (element) => (element ? element.textContent.trim() : null);

// A label's HTML splits its lines by <br>.
const lines = (label) => {
  const copy = label.cloneNode(true);
  copy.querySelectorAll("br").forEach((br) => br.replaceWith("\n"));
  return copy.textContent.split("\n").map((line) => line.replace(/\s+/g, " ").trim()).filter(Boolean);
};

// The page's root layout has the card class as well: a card is the innermost layout with both label and button.
const layouts = () => {
  const complete = [...document.querySelectorAll(".v-verticallayout-card")].filter(
    (layout) => layout.querySelector(".v-label-bold") && layout.querySelector(".v-button"));
  return complete.filter((layout) => !complete.some((other) => other !== layout && layout.contains(other)));
};

// The labels and buttons of each lesson. A card may hold several: after a button a bold label, or one with hours, begins
// the next one.
const hours = /\d{1,2}[:.]\d{2}\s*(?:[-\u2010-\u2015\u2212]|до|to)\s*\d{1,2}[:.]\d{2}/;
const lessonsIn = (layout) => {
  const elements = [...layout.querySelectorAll(".v-label, .v-button")], found = [];
  const isButton = (element) => element.classList.contains("v-button");
  for (const element of elements) {
    const next = !isButton(element) && (element.classList.contains("v-label-bold") || hours.test(text(element)));
    if (!found.length || (next && found.at(-1).buttons.length)) found.push({ labels: [], buttons: [] });
    found.at(-1)[isButton(element) ? "buttons" : "labels"].push(element);
  }
  const whole = { labels: elements.filter((each) => !isButton(each)), buttons: elements.filter(isButton) };
  return found[0].labels.length ? found.filter((each) => each.buttons.length) : [whole];
};
const lessons = () => layouts().flatMap(lessonsIn);
// The lines of the label with the hours, without a heading above it; of all labels where the hours stand alone.
const linesOf = (lesson) => {
  const labels = lesson.labels.map(lines);
  return labels.find((each) => each.length > 1 && each.some((line) => hours.test(line))) || labels.flat();
};
// Whether a text contains these pieces in their order.
const holds = (whole, pieces) => {
  let at = 0;
  return pieces.every((piece) => {
    const found = whole.indexOf(piece, at);
    at = found + piece.length;
    return found >= 0;
  });
};

// A window's words without its header and buttons.
const wordsOf = (box) => {
  const copy = (box.querySelector(".v-window-contents") || box).cloneNode(true);
  copy.querySelectorAll(".v-button, .v-nativebutton").forEach((button) => button.remove());
  copy.querySelectorAll("*").forEach((element) => element.append(" "));
  return copy.textContent.replace(/\s+/g, " ").trim().slice(0, 500);
};

const buttons = (part) => [...part.querySelectorAll(".v-button")];
// A button is a div: it is disabled by class or aria, never by the property.
const enabled = (button) =>
  !button.classList.contains("v-disabled") && button.getAttribute("aria-disabled") !== "true";

// What asks for a password, null without it: a window hides the page's own form. Buttons after the password come first.
const form = () => {
  const asks = (part) => [...part.querySelectorAll("input[type=password]")].find((each) => each.getClientRects().length);
  const part = [...document.querySelectorAll(".v-window")].filter(asks).pop() || document;
  const password = asks(part);
  if (!password) return null;
  const before = (button) => password.compareDocumentPosition(button) & Node.DOCUMENT_POSITION_PRECEDING;
  return {
    user: Boolean(part.querySelector(".v-filterselect input.v-filterselect-input")),
    inputs: [...part.querySelectorAll("input")].filter((each) => each.getClientRects().length).map((each) => each.type),
    buttons: buttons(part).sort((one, other) => before(one) - before(other)),
  };
};

const controls = {
  form: () => (form() || { buttons: [] }).buttons,
  page: () => [...document.querySelectorAll(".v-button, .v-menubar-menuitem")],
};

// The title or else the text of a complete document without a trace of Vaadin; null for the portal's.
const foreign = () => {
  if (window.vaadin || document.querySelector(".v-app, script[src*='vaadin' i]")) return null;
  if (document.readyState === "loading" || !location.protocol.startsWith("http")) return null;
  const title = document.title || text(document.querySelector("h1, h2")) || (document.body ? document.body.innerText : "");
  return title.trim().slice(0, 100);
};

// Seconds of the slowest of this document's requests that are not the client's own.
const slowest = () => {
  const files = performance.getEntriesByType("resource").filter((each) => ["script", "link"].includes(each.initiatorType));
  const times = [...performance.getEntriesByType("navigation"), ...files].map((each) => each.responseEnd - each.startTime);
  return Math.max(0, ...times) / 1000;
};

const clients = () => Object.values((window.vaadin && window.vaadin.clients) || {});
const idle = (client) => client.initializing !== true && typeof client.isActive === "function" && !client.isActive();

// Counts changes of the document, so that a look between reloads is cheap.
const watch = () => {
  if (!window.attendanceWatch && document.body) {
    const state = { changes: 0, wake: null };  // changed.js sets it
    new MutationObserver(() => { state.changes += 1; if (state.wake) state.wake(); })
      .observe(document.body, { childList: true, subtree: true, characterData: true });
    window.attendanceWatch = state;
  }
  return window.attendanceWatch;
};

const queries = {
  // One snapshot of everything that decides the view.
  read: () => {
    const navigation = performance.getEntriesByType("navigation")[0];
    const all = clients();
    const watching = watch();
    if (watching) watching.changes = 0;
    const notification = document.querySelector(".v-Notification-system");
    return {
      status: (navigation && navigation.responseStatus) || 0,
      broken: location.protocol === "chrome-error:",
      system: notification ? text(notification.querySelector(".v-Notification-caption") || notification) : null,
      // Vaadin adds the dialog at every start, hidden, to have it loaded when the connection is lost.
      reconnecting: [...document.querySelectorAll(".v-reconnect-dialog")]
        .some((dialog) => getComputedStyle(dialog).visibility !== "hidden") ||
        Boolean(document.body && document.body.classList.contains("v-reconnecting")),
      // This document is being left: it shows old content and errors of aborted requests.
      left: Boolean(window.attendanceLeft),
      slowest: slowest(),
      foreign: foreign(),
      ready: all.length > 0 && all.every(idle),
      refusal: text(document.querySelector(".v-window.global-error .v-label, .v-window-global-error .v-label")),
      form: ((asked) => asked && { ...asked, buttons: asked.buttons.map(text) })(form()),
      blocked: text(document.querySelector(".v-information-component-error .v-label")),
      cards: lessons().map((lesson) => ({
        lines: linesOf(lesson),
        buttons: lesson.buttons.map((button) => ({ caption: text(button), enabled: enabled(button) })),
      })),
      labels: [...document.querySelectorAll(".v-label")].map(text),
    };
  },
  // Marks this document as being left, so that a reading does not take it for the next one.
  leave: () => { window.attendanceLeft = true; return null; },
  // The enabled button with exactly this caption, of the lesson whose label consists of these pieces and a countdown.
  button: () => {
    const named = (lesson) => lesson.buttons.find((each) => enabled(each) && text(each) === argument.caption);
    const found = lessons().map((lesson) => ({ label: linesOf(lesson).join("\n"), button: named(lesson) }))
      .filter(({ label }) => holds(label, argument.lines))
      .sort((one, other) => one.label.length - other.label.length || Boolean(other.button) - Boolean(one.button));
    return (found.length && found[0].button) || null;
  },
  // The captions of the password form's or the page's controls, and the control with exactly one of them.
  captions: () => controls[argument]().map(text),
  control: () => controls[argument[0]]().find((each) => text(each) === argument[1]) || null,
  // The class names of an unknown page, its title and its cards' captions, without numbers: equal for pages of one kind.
  shape: () => [...document.querySelectorAll("[class*='v-']")]
    .map((element) => [...element.classList].filter((name) => !/\d/.test(name)).sort().join("."))
    .concat(document.title.replace(/\d+/g, ""), layouts().flatMap(buttons).map((button) => text(button).replace(/\d+/g, "")))
    .filter((name, at, all) => all.indexOf(name) === at).sort().join(" "),
  // The window or notification on top (portal/windows.py); a notification is closed by a click on it.
  window: () => {
    const box = [...document.querySelectorAll(".v-window, .v-Notification:not(.v-Notification-system)")]
      .filter((each) => !each.className.includes("animate-out")).pop();
    if (!box) return null;
    const notice = box.classList.contains("v-Notification");
    const cross = notice ? box : box.querySelector(".v-window-closebox:not(.v-window-closebox-disabled)");
    return {
      words: wordsOf(box),
      error: notice || box.matches(".global-error, .v-window-global-error"),
      fields: Boolean(box.querySelector("input, textarea, select")),
      buttons: [...box.querySelectorAll(".v-button, .v-nativebutton")].map((each) => [text(each), each]),
      cross: cross && cross.getClientRects().length ? cross : null,
    };
  },
};

return queries[query]();
