// The sandbox's server-sent events. The browser connects again by itself; a restarted sandbox reloads the page.

const KINDS = ["people", "screen", "bot", "portal", "lms", "log", "tour"];
const REFUSED_REST = 3000; // milliseconds until the next try after an answer that is no stream

// `handlers`: a function for each kind of event. `run`: this sandbox's number, as in /api/sandbox.
export function follow(run, handlers, onConnection) {
  const events = new EventSource("/api/events");
  for (const kind of KINDS) events.addEventListener(kind, (event) => handlers[kind]?.(JSON.parse(event.data)));
  events.addEventListener("hello", (event) => {
    if (JSON.parse(event.data).run !== run) location.reload();
    else onConnection(true);
  });
  events.addEventListener("error", () => {
    onConnection(false);
    if (events.readyState === EventSource.CLOSED) setTimeout(() => follow(run, handlers, onConnection), REFUSED_REST);
  });
}
