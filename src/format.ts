/** Numbers as C's printf writes them, so that printed lines equal the notebooks'. */

/** `%f`: six decimals, ties to even. */
export function formatFixed(value: number): string {
  if (!Number.isFinite(value)) return notFinite(value);
  // toFixed rounds ties up. A tie at the seventh decimal is an odd multiple of 1/128, which seven decimals write exactly.
  if (Number.isInteger(value * 128) && !Number.isInteger(value * 64)) {
    const cut = value.toFixed(7).slice(0, -1);
    if ('02468'.includes(cut.slice(-1))) return cut;
  }
  // From 1e21 on toFixed changes to an exponent, but all such numbers are integers.
  if (Math.abs(value) >= 1e21) return `${BigInt(value)}.000000`;
  return Object.is(value, -0) ? '-0.000000' : value.toFixed(6);
}

/** `%e`: six decimals, an exponent of at least two digits. */
export function formatExponent(value: number): string {
  if (!Number.isFinite(value)) return notFinite(value);
  const [digits, exponent] = value.toExponential(6).split('e') as [string, string];
  const text = `${exponent.charAt(0)}${exponent.slice(1).padStart(2, '0')}`;
  return `${Object.is(value, -0) ? '-' : ''}${digits}e${text}`;
}

/** The fewest digits that read back as the same number, as Python prints it. */
export function formatShortest(value: number): string {
  if (!Number.isFinite(value)) return notFinite(value);
  const sign = Object.is(value, -0) ? '-' : '';
  const [digits, power] = value.toExponential().split('e') as [string, string];
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    return `${sign}${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  // In this range JavaScript writes no exponent either.
  return `${sign}${value}${Number.isInteger(value) ? '.0' : ''}`;
}

function notFinite(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  return value > 0 ? 'inf' : '-inf';
}
