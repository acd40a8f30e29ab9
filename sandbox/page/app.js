// Builds the page: three chats, the portal's controls (not in the classroom), and the bot's state.

import { get, make, pause, setTimeZone } from "./api.js";
import { followBot } from "./bot.js";
import { Chat } from "./chat.js";
import { startPortal } from "./portal.js";

const chats = [];

async function begin() {
  const sandbox = await get("/api/sandbox");
  const known = await get("/telegram/people");
  setTimeZone(sandbox.time_zone);
  document.getElementById("interval").textContent = sandbox.refresh_interval;
  document.getElementById("zone").textContent = sandbox.time_zone;
  const isClass = !sandbox.portal_url;
  for (const each of document.querySelectorAll("[data-of]")) each.hidden = (each.dataset.of === "class") !== isClass;
  const bots = sandbox.people.map((person) => person.bot.toLowerCase());
  for (const person of sandbox.people) {
    const language = known.find((each) => each.id === person.id)?.language_code;
    const chat = new Chat(bots, person, language, offerPeople);
    chats.push(chat);
    document.getElementById("phones").append(chat.node);
    chat.follow();
  }
  if (isClass) document.getElementById("bot-log").hidden = false;
  else startPortal(sandbox.portal_url);
  followBot(sandbox.run);
}

// Asks whose phone opens a link to a bot.
function offerPeople(bot, code, button) {
  document.querySelector(".open-as")?.remove();
  const menu = make("div", { className: "open-as" }, make("span", { textContent: "Open as" }));
  for (const chat of chats.filter((each) => each.bot.toLowerCase() === bot && each.person.role.startsWith("student"))) {
    const choice = make("button", { type: "button", textContent: chat.person.name });
    choice.addEventListener("click", () => {
      menu.remove();
      chat.say(`/start ${code}`);
      chat.node.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    menu.append(choice);
  }
  button.after(menu);
  menu.querySelector("button")?.focus();
  menu.scrollIntoView({ block: "nearest" });
}

document.addEventListener("click", (event) => {
  const menu = document.querySelector(".open-as");
  if (menu && !menu.contains(event.target) && menu.previousElementSibling !== event.target) menu.remove();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.querySelector(".open-as")?.remove();
});

for (;;) {
  try {
    await begin();
    break;
  } catch {
    await pause(1000);
  }
}
