// When to draw: at most four times a second, never in a hidden tab, and at once after the user has done something.

const interval = 250;

export class Painter {
  #draw;
  #timer = null;
  #frame = null;
  #last = -Infinity;

  constructor(draw) {
    this.#draw = draw;
    document.addEventListener("visibilitychange", () => document.hidden || this.soon());
  }

  soon() {
    if (this.#timer !== null || this.#frame !== null || document.hidden) return;
    this.#timer = setTimeout(() => this.now(), Math.max(0, this.#last + interval - performance.now()));
  }

  now() {
    clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#frame !== null || document.hidden) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = null;
      this.#last = performance.now();
      this.#draw();
    });
  }
}
