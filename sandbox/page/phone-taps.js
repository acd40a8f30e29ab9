// Taps on buttons below a chat's messages: which ones wait for the bot's answer, and what becomes of the answers.

import { get } from "./api.js";
import { startLink } from "./phone-formatting.js";

// Milliseconds after a tap at which a missing answer is looked for; after the last one the bot can't answer any more.
const LOOKS = [1000, 8000, 30_000];
const KEPT_ANSWERS = 20;

export class Taps {
  constructor(chat) {
    this.chat = chat;
    this.waiting = new Map(); // "message row column" -> id of the tap, null until it is known
    this.answers = new Map(); // id of a tap -> its answer, the latest ones
  }

  isWaiting(message, row, column) {
    return this.waiting.has(`${message} ${row} ${column}`);
  }

  // What waits in a message, to tell whether it has to be drawn anew.
  waitingIn(message) {
    return [...this.waiting.keys()].filter((key) => key.startsWith(`${message} `));
  }

  // Acts on a pressed button of a message; links to other addresses are opened by the browser.
  press(message, pressed) {
    const { phone } = this.chat;
    const [row, column] = pressed.dataset.at.split(" ").map(Number);
    const button = message.buttons[row][column];
    const opened = button.url && startLink(button.url, phone.usernames);
    if (opened) phone.openLink(opened.bot, opened.code, pressed);
    else if (button.copy_text) this.chat.copy(button.copy_text.text);
    else if (button.data !== undefined)
      this.tap(message.message_id, button.data, `${message.message_id} ${row} ${column}`);
    else if (!button.url) phone.say(phone.words.unknownButton);
  }

  async tap(message, data, key) {
    if (this.waiting.has(key)) return;
    this.waiting.set(key, null);
    this.chat.draw();
    try {
      const { tap_id: tap } = await this.chat.order("tap", { message_id: message, button: data });
      this.waiting.set(key, tap);
      this.settle(this.answers.get(tap)); // it may have arrived first
      for (const after of LOOKS) setTimeout(() => this.lookForAnswer(tap, after === LOOKS.at(-1)), after);
    } catch (error) {
      this.waiting.delete(key);
      this.chat.draw();
      this.chat.phone.say(error.message);
    }
  }

  // Takes an answer from the screen: the button is free again, and the person sees the answer's text.
  settle(answer) {
    if (!answer) return;
    this.answers.set(answer.tap_id, answer);
    if (this.answers.size > KEPT_ANSWERS) this.answers.delete(this.answers.keys().next().value);
    if (!this.release(answer.tap_id)) return;
    const { phone } = this.chat;
    const opened = answer.url && startLink(answer.url, phone.usernames);
    if (opened) phone.openLink(opened.bot, opened.code, this.chat.list.log);
    if (answer.text) phone.answer(this.chat, answer);
  }

  // A screen has only its last answer: of two at once the first one is never seen.
  async lookForAnswer(tap, isLast) {
    if (![...this.waiting.values()].includes(tap)) return;
    const open = await get("/telegram/taps?unanswered=1").catch(() => []);
    const isOpen = open.some(({ tap_id: id }) => id === tap);
    if ((isLast || !isOpen) && this.release(tap) && isOpen) this.chat.phone.say(this.chat.words.noAnswer);
  }

  release(tap) {
    const key = [...this.waiting].find(([, id]) => id === tap)?.[0];
    if (!key) return false;
    this.waiting.delete(key);
    this.chat.draw();
    return true;
  }
}
