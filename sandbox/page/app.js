// Puts the page together: three phones, the portal's controls, the bot's state.

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
  for (const person of sandbox.people) {
    const language = known.find((each) => each.id === person.id)?.language_code;
    const chat = new Chat(sandbox.bot, person, language, offerPeople);
    chats.push(chat);
    document.getElementById("phones").append(chat.node);
    chat.follow();
  }
  startPortal(sandbox.portal_url);
  followBot(sandbox.run);
}

// A link to the bot is opened on somebody's phone: ask on whose.
function offerPeople(code, button) {
  document.querySelector(".open-as")?.remove();
  const menu = make("div", { className: "open-as" }, make("span", { textContent: "Open as" }));
  for (const chat of chats.filter((each) => each.person.login)) {
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
