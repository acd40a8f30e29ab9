// What the page remembers over a reload, as long as the same sandbox runs.

const NAME = "attendance-sandbox";

export function remembered(run) {
  let known = {};
  try {
    known = JSON.parse(localStorage.getItem(NAME)) ?? {};
  } catch {
    // nothing is stored, or this browser stores nothing
  }
  // After "Start over" another sandbox runs, and the tour begins at once.
  if (known.run !== run) known = { run, ...(known.startsOver && { tour: { open: true } }) };
  return {
    ...known,
    keep(changes) {
      Object.assign(known, changes);
      try {
        localStorage.setItem(NAME, JSON.stringify(known));
      } catch {
        // the page works without it
      }
    },
  };
}
