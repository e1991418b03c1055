/* One clip's frames. Every contestant's frame is a cell of one picture, which is copied at once: whatever a browser's clock does, the
   cells that are shown belong to the same moment. Which moment that is stands in the picture's last band, in black and white. */

const BITS = 10, BIT_PX = 8;

class Sheet {
  /* onFrame(number) after each new frame; onState() when playing starts or ends; onProblem(text). */
  constructor({ onFrame, onState, onProblem }) {
    Object.assign(this, { onFrame, clip: null, number: null, wanted: null, rate: 1 });
    this.picture = document.createElement("canvas");
    this.pen = this.picture.getContext("2d");
    this.band = Object.assign(document.createElement("canvas"), { width: BITS * BIT_PX, height: BIT_PX });
    this.bandPen = this.band.getContext("2d", { willReadFrequently: true });
    this.image = new Image();
    this.image.addEventListener("load", () => this.capture());
    const video = (this.video = document.createElement("video"));
    Object.assign(video, { muted: true, loop: true, playsInline: true, preload: "auto", className: "sheet", tabIndex: -1 });
    video.setAttribute("aria-hidden", "true");
    document.body.append(video);
    video.addEventListener("loadeddata", () => this.go());
    video.addEventListener("seeked", () => {
      this.capture();
      if (this.wanted !== this.aim) this.go();
    });
    for (const event of ["play", "pause"]) video.addEventListener(event, onState);
    video.addEventListener("error", () => video.getAttribute("src") && onProblem("This browser does not play H.264 video, in which this page holds its frames."));
    this.watch();
  }

  open(clip, base64, number) {
    this.close();
    Object.assign(this, { clip, wanted: number, number: null });
    [this.picture.height, this.picture.width] = clip.sheet.size;
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    this.url = URL.createObjectURL(new Blob([bytes], { type: clip.still ? "image/png" : "video/mp4" }));
    (clip.still ? this.image : this.video).src = this.url;
  }

  close() {
    if (!this.url) return;
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
    URL.revokeObjectURL(this.url);
    this.url = null;
  }

  get playing() {
    return !this.video.paused;
  }

  play(rate = this.rate) {
    this.rate = rate;
    if (this.clip.still) return;
    this.video.defaultPlaybackRate = this.video.playbackRate = rate;
    this.video.play().catch(() => {}); // a browser may want a click first, or the clip changed meanwhile
  }

  pause() {
    this.video.pause();
  }

  /* Goes to a frame; of many asked for while one is being fetched, only the last is gone to. */
  seek(number) {
    this.wanted = Math.min(Math.max(number, 0), this.clip.shown - 1);
    if (!this.video.seeking && this.video.readyState >= 2) this.go();
  }

  step(count) {
    const from = this.playing || this.wanted === null ? this.number ?? 0 : this.wanted;
    this.pause();
    this.seek((from + count + this.clip.shown) % this.clip.shown);
  }

  go() {
    this.aim = this.wanted;
    this.video.currentTime = (this.aim + 0.5) / this.clip.fps; // the middle of a frame: no rounding leads out of it
  }

  watch() {
    const seen = () => {
      this.capture();
      this.watch();
    };
    if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(seen);
    else requestAnimationFrame(seen);
  }

  capture() {
    if (!this.clip || (!this.clip.still && this.video.readyState < 2)) return;
    this.pen.drawImage(this.clip.still ? this.image : this.video, 0, 0);
    const number = this.clip.still ? 0 : this.readNumber();
    if (this.playing) this.wanted = number;
    this.number = number;
    this.onFrame(number);
  }

  readNumber() {
    const [left, top] = this.clip.sheet.band;
    this.bandPen.drawImage(this.picture, left, top, this.band.width, BIT_PX, 0, 0, this.band.width, BIT_PX);
    const pixels = this.bandPen.getImageData(0, BIT_PX / 2, this.band.width, 1).data;
    let number = 0;
    for (let bit = 0; bit < BITS; bit++) if (pixels[4 * (bit * BIT_PX + BIT_PX / 2)] > 127) number |= 1 << bit;
    return number;
  }
}
