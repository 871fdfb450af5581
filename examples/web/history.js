// What the plots show. However long a run is, a track keeps at most so many points: when it is full, neighbours become one.

export class Track {
  #most;
  /** Values that a point stands for, and how many of the last point's are there. */
  #stride = 1;
  #filled = 0;
  #smooth = 0;
  #weight = 0;

  constructor(most = 500) {
    this.#most = most;
    this.clear();
  }

  clear() {
    /** Number of values until the end of each point; their mean, least and largest, and the smoothed value there. */
    this.ends = [];
    this.means = [];
    this.lows = [];
    this.highs = [];
    this.smooths = [];
    this.count = 0;
    this.#stride = 1;
    this.#filled = 0;
    this.#smooth = 0;
    this.#weight = 0;
  }

  push(value) {
    this.count++;
    // The memory of the smoothed line is a fortieth of the run, at least four values.
    const share = 1 / Math.max(4, this.count / 40);
    this.#smooth += share * (value - this.#smooth);
    this.#weight += share * (1 - this.#weight);
    const last = this.ends.length - 1;
    if (this.#filled === 0 || this.#filled === this.#stride) {
      if (this.ends.length === this.#most) this.#merge();
      this.#filled = 1;
      for (const list of [this.means, this.lows, this.highs]) list.push(value);
      this.ends.push(this.count);
      this.smooths.push(this.smooth);
      return;
    }
    this.#filled++;
    this.means[last] += (value - this.means[last]) / this.#filled;
    this.lows[last] = Math.min(this.lows[last], value);
    this.highs[last] = Math.max(this.highs[last], value);
    this.ends[last] = this.count;
    this.smooths[last] = this.smooth;
  }

  /** The smoothed value; undefined before the first. */
  get smooth() {
    return this.count === 0 ? undefined : this.#smooth / this.#weight;
  }

  #merge() {
    const pairs = this.#most / 2;
    const join = (list, act) => {
      for (let i = 0; i < pairs; i++) list[i] = act(list[2 * i], list[2 * i + 1]);
      list.length = pairs;
    };
    join(this.means, (a, b) => (a + b) / 2);
    join(this.lows, Math.min);
    join(this.highs, Math.max);
    join(this.ends, (_, b) => b);
    join(this.smooths, (_, b) => b);
    this.#stride *= 2;
  }
}
