// Records a video note with the computer's camera: cropped square, as Telegram's apps record it, and without sound.
// The same camera takes the person's own ID photo. The recording goes to the sandbox on this computer, nowhere else.

import { el, icon, svg } from "./phone-dom.js";
import { formatted } from "./phone-formatting.js";

const SIDE = 384; // pixels, as Telegram's apps record
const RATE = 30;
const COUNTDOWN = 3; // seconds
const LONGEST = 15; // seconds of a recording
// The sandbox makes a Telegram video note of either.
const FORMATS = ["video/mp4;codecs=avc1.42E01E", "video/mp4", "video/webm;codecs=vp8", "video/webm"];

export function recordedFormat() {
  const canRecord =
    navigator.mediaDevices?.getUserMedia && window.MediaRecorder && HTMLCanvasElement.prototype.captureStream;
  return canRecord ? FORMATS.find((each) => MediaRecorder.isTypeSupported(each)) : undefined;
}

// Opens the camera's sheet on a phone. `onNote(file)` gets a recording, `onPhoto(blob)` a JPEG.
export function openCamera(phone, { onNote, onPhoto }) {
  const { words, overlays } = phone;
  const format = recordedFormat();
  if (!format) {
    overlays.open("camera", words.videoNote, [el("p", { class: "missing" }, words.cameraMissing)], { words });
    return;
  }
  new Camera(phone, format, onNote, onPhoto).open();
}

class Camera {
  constructor(phone, format, onNote, onPhoto) {
    Object.assign(this, { phone, format, onNote, onPhoto, words: phone.words });
  }

  async open() {
    const { words } = this;
    this.canvas = el("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" });
    this.playback = el("video", { playsinline: true, muted: true, loop: true, hidden: true });
    this.ring = svg("circle", { cx: 50, cy: 50, r: 48, pathLength: 100 });
    this.state = el("p", { class: "state", role: "status" }, words.cameraStarts);
    this.buttons = el("div", { class: "choices" });
    const round = el(
      "div",
      { class: "round lens" },
      this.canvas,
      this.playback,
      svg("svg", { viewBox: "0 0 100 100", class: "ring", "aria-hidden": "true" }, this.ring),
    );
    const asked = this.phone.chat.screen?.messages.findLast((message) => message.from === "bot" && message.html);
    this.task = asked && el("div", { class: "task words", tabindex: "0" }, formatted(asked.html));
    this.phone.overlays.open("camera", words.videoNote, [this.task, round, this.state, this.buttons], {
      words,
      onClose: () => this.end(),
    });
    try {
      const wanted = { width: { ideal: 720 }, height: { ideal: 720 }, facingMode: "user" };
      this.stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    } catch (error) {
      this.state.textContent = `${words.cameraRefused}: ${error.message}`;
      return;
    }
    if (this.isOver) return this.end();
    this.source = el("video", { playsinline: true, muted: true });
    this.source.srcObject = this.stream;
    this.source.muted = true;
    await this.source.play();
    this.draw();
    this.ready();
  }

  // Copies the middle of the camera's picture to the canvas, which is recorded. Only the preview is mirrored.
  draw() {
    if (this.isOver) return;
    const { videoWidth: width, videoHeight: height } = this.source;
    const side = Math.min(width, height);
    if (side)
      this.canvas
        .getContext("2d")
        .drawImage(this.source, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SIDE, SIDE);
    requestAnimationFrame(() => this.draw());
  }

  show(text, buttons) {
    this.state.textContent = text;
    const held = this.buttons.contains(document.activeElement);
    this.buttons.replaceChildren(
      ...buttons.map(([action, drawing, label, run, isMain]) => {
        const button = el(
          "button",
          { type: "button", class: isMain ? "main" : "", "data-action": action },
          icon(drawing),
          label,
        );
        button.addEventListener("click", run);
        return button;
      }),
    );
    const isIdle = held || document.activeElement === document.body || document.activeElement === this.task;
    if (isIdle) this.buttons.firstChild?.focus();
  }

  ready() {
    this.lookAt(null);
    this.progress(0);
    const buttons = [["camera:record", "camera", this.words.record, () => this.count(COUNTDOWN), true]];
    if (this.onPhoto) buttons.push(["camera:photo", "photo", this.words.takePhoto, () => this.takePhoto()]);
    this.show(this.words.cameraReady, buttons);
  }

  takePhoto() {
    this.canvas.toBlob(
      (picture) => {
        this.phone.overlays.close();
        this.onPhoto(picture);
      },
      "image/jpeg",
      0.92,
    );
  }

  count(left) {
    if (this.isOver) return;
    if (left === 0) return this.record();
    this.show(`${this.words.recordingStartsIn} ${left}`, []);
    this.timer = setTimeout(() => this.count(left - 1), 1000);
  }

  record() {
    const chunks = [];
    const recorder = new MediaRecorder(this.canvas.captureStream(RATE), {
      mimeType: this.format,
      videoBitsPerSecond: 1_500_000,
    });
    recorder.addEventListener("dataavailable", (event) => chunks.push(event.data));
    recorder.addEventListener(
      "stop",
      () => !this.isOver && this.review(new File(chunks, "note", { type: this.format.split(";")[0] })),
    );
    recorder.addEventListener("error", (event) =>
      this.show(`${this.words.cameraRefused}: ${event.error?.message ?? ""}`, []),
    );
    const stop = () => recorder.state !== "inactive" && recorder.stop();
    this.show(this.words.recording, [["camera:stop", "stop", this.words.stop, stop, true]]);
    recorder.start();
    const began = performance.now();
    const tick = () => {
      const seconds = (performance.now() - began) / 1000;
      if (this.isOver || recorder.state === "inactive") return;
      this.progress(seconds / LONGEST);
      if (seconds >= LONGEST) return void stop();
      requestAnimationFrame(tick);
    };
    tick();
  }

  progress(part) {
    this.ring.style.setProperty("stroke-dashoffset", String(100 - 100 * Math.min(1, part)));
  }

  review(file) {
    this.lookAt(file);
    this.show(this.words.lookAtIt, [
      [
        "camera:send",
        "send",
        this.words.send,
        () => {
          this.phone.overlays.close();
          this.onNote(file);
        },
        true,
      ],
      ["camera:again", "camera", this.words.again, () => this.ready()],
    ]);
  }

  // Plays a recording in place of the camera's picture; null: the camera again.
  lookAt(file) {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = file && URL.createObjectURL(file);
    this.playback.hidden = !file;
    if (!file) return this.playback.removeAttribute("src");
    this.playback.src = this.address;
    this.playback.muted = true;
    this.playback.play().catch(() => {}); // a browser without autoplay shows the first picture
  }

  end() {
    this.isOver = true;
    clearTimeout(this.timer);
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    if (this.address) URL.revokeObjectURL(this.address);
  }
}
