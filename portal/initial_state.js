// Gets what the portal's server would draw at a load now, without drawing it: sends Vaadin's request for a page's
// initial state (vaadinBootstrap.js of 7.7) and reduces the answer to what distinguishes one page from another. The body
// of an asynchronous script call: its argument is a query, its result a plain value, null if the page has no such state.
const [query] = arguments;
const done = arguments[arguments.length - 1];

const app = (() => {
  const vaadin = window.vaadin;
  const id = vaadin && vaadin.getAppIds && vaadin.getAppIds()[0];
  return id ? { id, config: (name) => vaadin.getApp(id).getConfig(name) } : null;
})();

// Counters and a session's keys, which differ in each answer whatever is drawn.
const passing = new Set(["Vaadin-Security-Key", "Vaadin-Push-ID", "syncId", "clientId", "timings", "localeServiceState"]);
const countdown = /minutes? left|осталось|қалды/i;

// A label's lines without the countdown, which does not identify the lesson.
const still = (text) => text.split("<br>").map((line) => (countdown.test(line) ? "" : line)).join("<br>");

// The state as text, with connectors numbered from the page's first one: in a session their ids go on counting.
const signature = (answer) => {
  const state = JSON.parse(JSON.parse(answer).uidl);
  const ids = Object.keys(state.types).sort((one, other) => one - other);
  const number = new Map(ids.map((id, at) => [id, at]));
  const renamed = (value, key, refers) => {
    if (typeof value === "string") {
      return (refers || key === "id" || key === "pid") && number.has(value) ? "#" + number.get(value) : still(value);
    }
    if (Array.isArray(value)) return value.map((each) => renamed(each, "", refers));
    if (value === null || typeof value !== "object") return value;
    return Object.keys(value).filter((name) => !passing.has(name)).map((name) => [
      number.has(name) ? number.get(name) : name, renamed(value[name], name, refers || name === "hierarchy"),
    ]);
  };
  // Kinds of connectors are numbered in the order in which a session first used them.
  const { types, typeMappings, typeInheritanceMap, ...drawn } = state;
  const kinds = new Map(Object.entries(typeMappings || {}).map(([name, at]) => [String(at), name]));
  return JSON.stringify([ids.map((id) => kinds.get(types[id]) || types[id]), renamed(drawn, "", false)]);
};

const ask = async () => {
  const own = window.name;
  let details = "v-browserDetails=1";
  if (app.config("theme") !== undefined) details += "&theme=" + encodeURIComponent(app.config("theme"));
  details += "&v-appId=" + app.id + (app.config("extraParams") || "") + "&";
  // Another tab's name, so that the UI of this page stays, and each request replaces the UI of the one before.
  window.name = own + "-again";
  try {
    details += window.vaadin.getBrowserDetailsParameters(app.id, app.config("sendUrlsAsParameters"));
  } finally {
    window.name = own;
  }
  const address = app.config("browserDetailsUrl") || location.href.replace(/#.*/, "");
  const answer = await fetch(address + (address.includes("?") ? "&" : "?") + "v-" + Date.now(), {
    method: "POST",
    body: details,
    credentials: "same-origin",
    headers: { "Content-type": "application/x-www-form-urlencoded" },
    signal: AbortSignal.timeout(5000),
  });
  return answer.ok ? signature(await answer.text()) : null;
};

const queries = {
  // The state from which this page was drawn.
  drawn: () => signature(app.config("rootResponseText")),
  // Whether the server would draw the same now.
  same: async () => (await ask()) === queries.drawn(),
};

// Anything unexpected is answered with null: then the page is loaded and shows the reason.
Promise.resolve().then(() => (app ? queries[query]() : null)).then(done, () => done(null));
