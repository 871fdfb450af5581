/** Order statistics of small samples. */

/** Value below which the share p of the sample lies, between neighbours in proportion. */
export function quantile(sample, p) {
  const sorted = [...sample].sort((a, b) => a - b);
  const at = p * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}

export function median(sample) {
  return quantile(sample, 0.5);
}

/** Median and quartiles. */
export function summary(sample) {
  return { value: median(sample), low: quantile(sample, 0.25), high: quantile(sample, 0.75) };
}

/** x with so many significant digits, as a number. */
export function significant(x, digits = 4) {
  return Number.isFinite(x) ? Number(x.toPrecision(digits)) : null;
}
