// Builds the page from /api/sandbox and keeps it up to date from the server's events.

import { get, pause, setTimeZone } from "./api.js";
import { BotState } from "./bot.js";
import { LmsPanel } from "./lms.js";
import { EventLog } from "./log.js";
import { PortalPanel } from "./portal.js";
import { Scenes } from "./scenes.js";
import { remembered } from "./memory.js";
import { follow } from "./stream.js";
import { Tour } from "./tour.js";

async function begin(sandbox) {
  setTimeZone(sandbox.time_zone);
  const memory = remembered(sandbox.run);
  let tour = null;
  const scenes = new Scenes(sandbox, memory, ({ scene, view }) => {
    memory.keep({ scene, view });
    tour?.look();
  });
  const [bot, portal, lms, log] = [new BotState(), new PortalPanel(sandbox), new LmsPanel(), new EventLog(sandbox.people)];
  tour = new Tour(sandbox, scenes, memory);

  let early = []; // screens of people whose phones are not there yet
  const handlers = {
    people({ people }) {
      sandbox.people = people;
      scenes.introduce(people);
      portal.people = people;
      log.offer(people);
      const screens = early;
      early = [];
      for (const event of screens) handlers.screen(event);
    },
    screen(event) {
      const phone = scenes.get(event.person);
      if (!phone) return void early.push(event);
      phone.apply(event);
      tour.screen(event);
    },
    bot: (event) => bot.apply(event),
    portal(event) {
      portal.apply(event);
      tour.marks = event.marks;
    },
    lms: (event) => lms.apply(event),
    log: (event) => log.add(event),
    tour: (event) => tour.apply(event.facts),
  };
  follow(sandbox.run, handlers, (isThere) => bot.connection(isThere));
  document.body.inert = false;
}

let sandbox = null;
while (!sandbox) sandbox = await get("/api/sandbox").catch(() => pause(1000));
await begin(sandbox);
