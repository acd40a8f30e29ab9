// What is asked of the portal's page from inside it. Runs as the body of one script call: it gets the name of
// a question and its argument, and answers with a plain value. Class names: Vaadin 7.7 (capture of 2026).
const [question, argument] = arguments;

const text = (element) => (element ? element.textContent.trim() : null);

// A label's HTML splits its lines by <br>.
const lines = (label) => {
  const copy = label.cloneNode(true);
  copy.querySelectorAll("br").forEach((br) => br.replaceWith("\n"));
  return copy.textContent.split("\n").map((line) => line.trim()).filter(Boolean);
};

// The page's root layout has the card class as well: a card is the innermost layout with both label and button.
const layouts = () => {
  const complete = [...document.querySelectorAll(".v-verticallayout-card")].filter(
    (layout) => layout.querySelector(".v-label-bold") && layout.querySelector(".v-button"));
  return complete.filter((layout) => !complete.some((other) => other !== layout && layout.contains(other)));
};

const buttonOf = (layout) => layout.querySelector(".v-button");
// A button is a div: disabled is told by class or aria, never by the property.
const enabled = (button) =>
  !button.classList.contains("v-disabled") && button.getAttribute("aria-disabled") !== "true";

const clients = () => Object.values((window.vaadin && window.vaadin.clients) || {});
const idle = (client) => client.initializing !== true && typeof client.isActive === "function" && !client.isActive();

// Counts changes of the document, so that a look between reloads costs next to nothing.
const watch = () => {
  if (!window.attendanceWatch && document.body) {
    const state = { changes: 0, wake: null };  // changed.js waits with it
    new MutationObserver(() => { state.changes += 1; if (state.wake) state.wake(); })
      .observe(document.body, { childList: true, subtree: true, characterData: true });
    window.attendanceWatch = state;
  }
  return window.attendanceWatch;
};

const questions = {
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
      // Vaadin shows the dialog once at every start, hidden, to have it at hand when the connection is gone.
      reconnecting: [...document.querySelectorAll(".v-reconnect-dialog")]
        .some((dialog) => getComputedStyle(dialog).visibility !== "hidden") ||
        Boolean(document.body && document.body.classList.contains("v-reconnecting")),
      // This document has been told to go: what it shows is the past, aborted requests' complaints included.
      left: Boolean(window.attendanceLeft),
      ready: all.length > 0 && all.every(idle),
      refusal: text(document.querySelector(".v-window.global-error .v-label, .v-window-global-error .v-label")),
      login: Boolean(document.querySelector("input[type=password]")),
      blocked: text(document.querySelector(".v-information-component-error .v-label")),
      cards: layouts().map((layout) => ({
        lines: lines(layout.querySelector(".v-label-bold")),
        caption: text(buttonOf(layout)),
        enabled: enabled(buttonOf(layout)),
      })),
      labels: [...document.querySelectorAll(".v-label")].map(text),
    };
  },
  // Says that this document is about to be left, so that a reading can't take it for the next one.
  leave: () => { window.attendanceLeft = true; return null; },
  // The button of the card that begins with just these lines (the countdown follows), where it can be pressed.
  button: () => {
    const layout = layouts().find((each) => {
      const found = lines(each.querySelector(".v-label-bold"));
      return enabled(buttonOf(each)) && argument.every((line, at) => found[at] === line);
    });
    return layout ? buttonOf(layout) : null;
  },
  // A control that ends the session, by its exact words: on a page that marks attendance nothing is pressed on a guess.
  signOut: () => {
    const words = ["выход", "выйти", "шығу", "log out", "logout", "sign out"];
    return [...document.querySelectorAll(".v-button, .v-menubar-menuitem")]
      .find((control) => words.includes(text(control).toLowerCase())) || null;
  },
  // What a page that is not known is made of, without its words and numbers: the same for the same kind of page.
  shape: () => [...document.querySelectorAll("[class*='v-']")]
    .map((element) => [...element.classList].filter((name) => !/\d/.test(name)).sort().join("."))
    .filter((name, at, all) => all.indexOf(name) === at).sort().join(" "),
  // The yes button of a dialog that asks after the click (seen once at a neighbour's, never by us).
  yes: () => {
    const words = ["да", "иә", "yes", "ok", "ок"];
    return [...document.querySelectorAll(".v-window:not(.v-window-global-error) .v-button")]
      .find((button) => words.includes(text(button).toLowerCase())) || null;
  },
};

return questions[question]();
