// How numbers, times and digests are written.

/** What is shown where there is no value. */
export const none = "–";

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const group = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ",");

function superscript(exponent) {
  return String(exponent).replace("-", "⁻").replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);
}

/** Four significant digits, with commas between thousands; whole numbers in full. */
export function number(value) {
  if (!isNumber(value)) return none;
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  if (size !== 0 && (size < 1e-4 || size >= 1e12)) {
    const [mantissa, exponent] = size.toExponential(3).split("e");
    return `${sign}${mantissa}×10${superscript(Number(exponent))}`;
  }
  if (Number.isInteger(size)) return sign + group(String(size));
  // A number such as 999.97 would round to "1000" without a comma.
  if (size >= 999.95) return sign + group(size.toFixed(0));
  return sign + size.toPrecision(4);
}

/** As `number`, without zeros at the end: for values that people have chosen, such as learning rates. */
export function short(value) {
  return number(value).replace(/(\.\d*?)0+(?=×|$)/, "$1").replace(/\.(?=×|$)/, "");
}

/** A value of a table's cell or an option, which may be a text or a number. */
export const plain = (value) => (isNumber(value) ? short(value) : String(value ?? none));

export const percent = (share) => (isNumber(share) ? `${Math.round(share * 100)} %` : none);

export function bytes(count) {
  if (!isNumber(count)) return none;
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? count : count.toPrecision(3)} ${units[unit]}`;
}

/** A length of time, in the two largest units that matter. */
export function duration(seconds) {
  if (!isNumber(seconds)) return none;
  if (seconds < 0.9995) return `${Number((seconds * 1000).toPrecision(3))} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (value) => String(value).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return `${group(String(Math.floor(whole / 86400)))} d ${Math.floor((whole % 86400) / 3600)} h`;
}

export function clock(time) {
  return isNumber(time) ? new Date(time * 1000).toLocaleTimeString("en-GB") : none;
}

export function date(time) {
  return isNumber(time) ? new Date(time * 1000).toLocaleString("sv-SE") : none;
}

export const shortDigest = (digest) => (digest ? digest.slice(0, 12) : none);

/** A figure's name for people: "train_loss" is the train loss. */
export const title = (name) => name.replaceAll("_", " ");
