// The state of the bots' process, its last line, and the button "Start again".

import { post } from "./api.js";
import { find, order, write } from "./ui.js";

const WORDS = {
  new: "The bots are about to start",
  starting: "The bots are starting",
  running: "The bots are running",
  stopping: "The bots are stopping",
};

export class BotState {
  constructor() {
    this.button = find("bot-start");
    this.button.addEventListener("click", () => order(this.button, () => post("/api/bot/start").then(() => "")));
    this.known = { state: "new" };
    this.connected = false;
  }

  apply(bot) {
    this.known = bot;
    this.show();
  }

  connection(isThere) {
    this.connected = isThere;
    this.show();
  }

  show() {
    const { state, outcome, last_line: line } = this.known;
    const ended = state === "ended";
    const words = ended ? `The bots have ended, ${outcome}: ${line || "no output"}` : WORDS[state];
    const node = find("bot-state");
    node.dataset.state = this.connected ? state : "gone";
    write(node.querySelector(".words"), this.connected ? words : "The sandbox is not running");
    node.title = this.connected && line ? `Last line: ${line}` : "";
    this.button.hidden = !ended || !this.connected;
  }
}
