// The bot's process: its state, its output, and the button "Start again".

import { get, make, pause, post, stayAtEnd } from "./api.js";

const KEPT = 500;
const WORDS = {
  new: "the bot is about to start",
  starting: "the bot is starting",
  running: "the bot is running",
  stopping: "the bot is stopping",
};
const find = (id) => document.getElementById(id);

let seen = 0;

export async function followBot(run) {
  find("bot-start").addEventListener("click", startAgain);
  stayAtEnd(find("bot-log"));
  for (;;) {
    try {
      const bot = await get(`/api/bot?since=${seen}`);
      if (bot.run !== run) return location.reload(); // the sandbox was restarted
      show(bot);
    } catch {
      state("gone", "the sandbox is not running");
    }
    await pause(1000);
  }
}

async function startAgain() {
  find("bot-start").disabled = true;
  try {
    await post("/api/bot/start");
  } catch (error) {
    state("ended", error.message);
  }
}

function show(bot) {
  const ended = bot.state === "ended";
  state(bot.state, ended ? `the bot has ended, ${bot.outcome}: ${bot.last_line || "no output"}` : WORDS[bot.state]);
  const button = find("bot-start");
  button.hidden = !ended;
  if (!ended) button.disabled = false;
  const list = find("bot-log");
  for (const { n, text } of bot.lines) {
    seen = n;
    list.append(make("li", { textContent: text }));
  }
  while (list.children.length > KEPT) list.firstElementChild.remove();
}

function state(name, words) {
  const line = find("bot-state");
  if (line.dataset.state === name && line.title === words) return;
  line.dataset.state = name;
  line.title = words;
  line.querySelector(".words").textContent = words;
}
