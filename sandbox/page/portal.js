// The portal's controls and its log.

import { call, get, keepAsking, make, post, secondsOf, stayAtEnd, timeOf } from "./api.js";

const LESSONS = [
  ["Algorithms and Data Structures", "Akhmetov B."],
  ["Databases", "Serikova A."],
  ["Calculus 2", "Kim V."],
  ["Operating Systems", "Omarov D."],
  ["Academic Writing", "Petrova N."],
];
const KEPT = 400;
const HIDDEN_EVENTS = new Set(["heartbeat", "device"]);
const find = (id) => document.getElementById(id);

let behaviour = {};
let lessonsSeen = "";
let logged = 0;

export function startPortal(address) {
  find("portal-link").href = address;
  find("lesson").addEventListener("submit", openLesson);
  find("expire").addEventListener("click", () => order(find("expire"), () => post("/portal/expire"),
    ({ expired }) => (expired === 1 ? "1 session dropped" : `${expired} sessions dropped`)));
  find("swallow").addEventListener("click", () => change({ swallow_clicks: behaviour.swallow_clicks ? 0 : 1 }));
  find("slow").addEventListener("click", () => change({ slow_ms: behaviour.slow_ms ? 0 : 3000 }));
  find("down").addEventListener("click", () => change({ status: behaviour.status ? null : 503 }));
  find("loads").addEventListener("change", () => find("portal-log").classList.toggle("quiet", !find("loads").checked));
  for (const tab of document.querySelectorAll("[role=tab]")) tab.addEventListener("click", () => select(tab));
  stayAtEnd(find("portal-log"));
  get("/portal/lessons").then(propose, () => propose([]));
  keepAsking(async (signal) => {
    showLessons(await get("/portal/lessons", signal));
    showBehaviour(await get("/portal/behaviour", signal));
    showLog(await get(`/portal/log?since=${logged}`, signal));
  }, 1000);
}

// Fills the form with the next lesson. It differs from all before, since equal texts mean the same lesson.
function propose(lessons) {
  const form = find("lesson");
  const round = Math.floor(lessons.length / LESSONS.length);
  const [subject, teacher] = LESSONS[lessons.length % LESSONS.length];
  const hour = Number.parseInt(timeOf(new Date()), 10);
  const clock = (each) => `${String(each % 24).padStart(2, "0")}:00`;
  form.subject.value = round ? `${subject}, group ${round + 1}` : subject;
  form.teacher.value = teacher;
  form.time.value = `Л27 (${clock(hour)} - ${clock(hour + 1)})`;
}

async function openLesson(event) {
  event.preventDefault();
  const form = event.target;
  await order(form.querySelector("button"), async () => {
    await post("/portal/lessons", {
      subject: form.subject.value,
      teacher: form.teacher.value,
      time: form.time.value,
      minutes: Number(form.minutes.value),
      live: form.live.checked,
    });
    const lessons = await get("/portal/lessons");
    showLessons(lessons);
    propose(lessons);
  });
}

const change = async (changes) => showBehaviour(await post("/portal/behaviour", changes));

// Runs a button's action, and shows the outcome on the button for a moment.
async function order(button, work, said = () => "") {
  const label = button.textContent;
  button.disabled = true;
  let outcome;
  try {
    outcome = said(await work());
  } catch (error) {
    outcome = error.message;
  }
  if (outcome) button.textContent = outcome;
  setTimeout(() => {
    button.disabled = false;
    button.textContent = label;
  }, outcome ? 1500 : 0);
}

function showLessons(lessons) {
  const now = JSON.stringify(lessons);
  if (now === lessonsSeen) return;
  lessonsSeen = now;
  const ordered = [...lessons].sort((one, other) => other.open - one.open || other.id - one.id);
  find("lessons").replaceChildren(...ordered.map(lessonLine));
}

function lessonLine(lesson) {
  const left = lesson.open ? `${lesson.minutes_left} min left` : "closed";
  const marked = lesson.marked.length ? `marked: ${lesson.marked.join(", ")}` : "nobody marked";
  const words = make("div", {}, make("b", { textContent: lesson.subject }),
    make("span", { textContent: `${lesson.time}, ${left}, ${marked}` }));
  const line = make("li", { className: lesson.open ? "open" : "closed" }, words);
  if (lesson.open) {
    const button = make("button", { type: "button", textContent: "Close" });
    button.addEventListener("click", () => order(button, () => call("DELETE", `/portal/lessons/${lesson.id}`)));
    line.append(button);
  }
  return line;
}

function showBehaviour(now) {
  behaviour = now;
  press("slow", now.slow_ms > 0);
  press("down", now.status !== null);
  press("swallow", now.swallow_clicks > 0);
}

function press(id, pressed) {
  find(id).setAttribute("aria-pressed", String(pressed));
}

function showLog(events) {
  const list = find("portal-log");
  for (const event of events) {
    logged = event.n;
    if (HIDDEN_EVENTS.has(event.event)) continue;
    const { username, lesson, detail } = event;
    const about = [username, lesson && `lesson ${lesson}`, detail].filter(Boolean).join(", ");
    list.append(make("li", { className: event.event },
      make("time", { textContent: secondsOf(new Date(event.at)) }),
      make("b", { textContent: event.event.replaceAll("_", " ") }),
      make("span", { textContent: about })));
  }
  while (list.children.length > KEPT) list.firstElementChild.remove();
}

function select(chosen) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const list = find(tab.getAttribute("aria-controls"));
    tab.setAttribute("aria-selected", String(tab === chosen));
    list.hidden = tab !== chosen;
  }
  find("loads").closest("label").hidden = chosen.getAttribute("aria-controls") !== "portal-log";
}
