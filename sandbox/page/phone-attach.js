// What a phone can send besides text: contact, location, video notes; and the person's own ID photo.

import { post } from "./api.js";
import { base64, el, icon } from "./phone-dom.js";
import { places, plan } from "./phone-places.js";
import { openCamera } from "./phone-camera.js";

const LIVE = 15 * 60; // seconds that a live location is shared
const LARGEST = 20 * 1024 * 1024; // bytes that a bot can download
const PHOTO_SIDE = 1280; // pixels of an ID photo's longer side

export class Attach {
  constructor(phone) {
    this.phone = phone;
  }

  get chat() {
    return this.phone.chat;
  }

  open() {
    const { words } = this.phone;
    const items = [
      {
        action: "attach:location",
        icon: "pin",
        label: words.location,
        about: words.locationAbout,
        run: () => this.location(),
      },
      {
        action: "attach:live",
        icon: "live",
        label: words.liveLocation,
        about: words.liveAbout,
        run: () => this.location(true),
      },
      {
        action: "attach:contact",
        icon: "contact",
        label: words.contact,
        about: words.contactAbout,
        run: () => this.contact(),
      },
      { action: "attach:note", icon: "note", label: words.videoNote, about: words.noteAbout, run: () => this.note() },
    ];
    items.push({
      action: "attach:file",
      icon: "document",
      label: words.file,
      about: words.fileAbout,
      run: () => this.file(),
    });
    if (this.chat.kind === "student") {
      items.push({
        action: "attach:photo",
        icon: "photo",
        label: words.idPhoto,
        about: words.idPhotoAbout,
        run: () => this.photo(),
      });
    }
    this.phone.overlays.menu("attach", words.attach, items);
  }

  contact() {
    const { name, phone } = this.phone.person;
    return this.chat.send({ contact: { phone_number: phone, first_name: name } });
  }

  // A document, such as a roster.
  file() {
    const input = el("input", { type: "file" });
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (file.size > LARGEST) return this.phone.say(this.phone.words.tooLarge);
      return this.chat.send({
        document: {
          base64: await base64(file),
          file_name: file.name,
          mime_type: file.type || "application/octet-stream",
        },
      });
    });
    input.click();
  }

  location(isLive = false) {
    this.choosePlace(isLive ? "attach:live" : "attach:location", (location) =>
      this.chat.send({ location: isLive ? { ...location, live_period: LIVE } : location }),
    );
  }

  // Moves a live location that is being shared.
  move(message) {
    this.choosePlace("move", (location) => this.chat.change(message, { location }));
  }

  choosePlace(action, use) {
    const { words, overlays, sandbox } = this.phone;
    const all = places(sandbox);
    const drawing = plan(all, words, action);
    drawing.addEventListener("click", (event) => {
      const place = all.find(({ name }) => event.target.closest("button")?.dataset.action === `${action}:${name}`);
      if (!place) return;
      overlays.close();
      this.phone.place = place.location;
      use(place.location);
    });
    overlays.open("places", words.whereIs, [el("p", {}, words.whereAbout), drawing], { words });
  }

  note() {
    const { words, overlays, sandbox } = this.phone;
    const notes = sandbox.notes ?? [];
    const prepared = notes.map(({ name, label }) =>
      this.choice(`note:${name}`, "note", label, () => this.chat.sendNote({ name })),
    );
    overlays.open(
      "notes",
      words.videoNote,
      [
        el("h4", {}, words.prepared),
        el("p", {}, prepared.length ? words.preparedAbout : `${words.noPrepared} ${sandbox.notes_missing ?? ""}`),
        el("div", { class: "list" }, prepared),
        el("h4", {}, words.ownNote),
        el(
          "div",
          { class: "list" },
          this.choice("note:camera", "camera", words.fromCamera, () => this.camera()),
          this.fileChoice("note:file", words.fromFile, "video/mp4,video/*", (file) => this.noteFrom(file)),
        ),
      ],
      { words },
    );
  }

  choice(action, drawing, label, run) {
    const button = el(
      "button",
      { type: "button", "data-action": action },
      el("span", { class: "badge" }, icon(drawing)),
      el("span", { class: "name" }, label),
    );
    button.addEventListener("click", () => {
      this.phone.overlays.close();
      run();
    });
    return button;
  }

  // A button that opens the browser's dialog for files.
  fileChoice(action, label, accept, use) {
    const input = el("input", { type: "file", accept, hidden: true });
    const button = el(
      "button",
      { type: "button", "data-action": action },
      el("span", { class: "badge" }, icon("document")),
      el("span", { class: "name" }, label),
    );
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const [file] = input.files;
      this.phone.overlays.close();
      if (file) use(file);
    });
    return [button, input];
  }

  async noteFrom(file) {
    const { words } = this.phone;
    if (!file.type.startsWith("video/")) return this.phone.say(words.notAVideo);
    if (file.size > LARGEST) return this.phone.say(words.tooLarge);
    return this.chat.sendNote({ file: await base64(file) });
  }

  camera() {
    openCamera(this.phone, { onNote: (note) => this.noteFrom(note), onPhoto: (picture) => this.usePhoto(picture) });
  }

  photo() {
    const { words, overlays, person } = this.phone;
    overlays.open(
      "photo-of",
      words.idPhoto,
      [
        person.photo && el("img", { src: person.photo, alt: `${words.idPhoto}: ${person.name}` }),
        el("p", {}, words.idPhotoAbout),
        el(
          "div",
          { class: "list" },
          this.choice("photo:camera", "camera", words.fromCamera, () => this.camera()),
          this.fileChoice("photo:file", words.fromFile, "image/*", (file) => this.photoFrom(file)),
        ),
      ],
      { words },
    );
  }

  async photoFrom(file) {
    const bitmap = await createImageBitmap(file).catch(() => null);
    if (!bitmap) return this.phone.say(this.phone.words.notAPicture);
    const scale = Math.min(1, PHOTO_SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = el("canvas", { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return this.usePhoto(await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92)));
  }

  async usePhoto(picture) {
    const { person, words } = this.phone;
    try {
      await post("/api/photos", { person: person.id, image: await base64(picture) });
      this.phone.say(words.photoStored);
    } catch (error) {
      this.phone.say(error.message);
    }
  }
}
