// Numbers and times as people read them. What cannot be formatted is shown as it came.

import * as gateway from "./clock.js";

const UNITS = [
  ["y", 31_536_000], ["d", 86_400], ["h", 3600], ["min", 60], ["s", 1],
];

/** A length of time, rounded, in its largest fitting unit, and below ten of it in the next one too: `3 d 4 h`, `12 min`. */
export const duration = (seconds) => {
  if (!Number.isFinite(seconds)) return String(seconds);
  if (seconds < 0) return `-${duration(-seconds)}`;
  if (seconds === 0) return "0 s";
  if (seconds < 0.001) return `${significant(seconds * 1e6)} µs`;
  if (seconds < 1) return `${significant(seconds * 1000)} ms`;
  if (seconds < 10) return `${significant(seconds)} s`;
  // From ten of a unit on the next smaller one says nothing; what rounds up to one of a larger unit is one of it.
  const at = UNITS.findIndex(([, size], index) => seconds >= size - (UNITS[index + 1]?.[1] ?? 1) / 2);
  const [unit, size] = UNITS[at];
  const [smaller, step] = UNITS[at + 1] ?? [unit, size];
  if (seconds >= 10 * size) return `${Math.round(seconds / size)} ${unit}`;
  const steps = Math.round(seconds / step);
  const whole = Math.floor((steps * step) / size);
  const rest = Math.round((steps * step - whole * size) / step);
  return rest > 0 && step !== size ? `${whole} ${unit} ${rest} ${smaller}` : `${whole} ${unit}`;
};

/** How far a time is from now, both in seconds since the epoch: `3 min ago`, `in 2 h`. */
export const relative = (seconds, now = gateway.now()) => {
  const distance = now - seconds;
  if (!Number.isFinite(distance)) return "unknown";
  if (Math.abs(distance) < 1) return "just now";
  return distance > 0 ? `${coarse(distance)} ago` : `in ${coarse(-distance)}`;
};
// Seconds beside minutes would only flicker.
const coarse = (seconds) => (seconds < 60 ? `${Math.floor(seconds)} s` : duration(Math.floor(seconds / 60) * 60));

/** A time in full, in the reader's own zone. */
export const exact = (seconds) => {
  const time = new Date(seconds * 1000);
  if (Number.isNaN(time.getTime())) return String(seconds);
  return time.toLocaleString(undefined, {
    year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
  });
};

/** The time of day, with the day unless it is today, and with the year unless it is this one. */
export const clock = (seconds, now = new Date()) => {
  const time = new Date(seconds * 1000);
  const isToday = time.toDateString() === now.toDateString();
  const year = time.getFullYear() === now.getFullYear() ? {} : { year: "numeric" };
  const day = isToday ? {} : { month: "short", day: "numeric", ...year };
  return time.toLocaleString(undefined, { ...day, hour: "2-digit", minute: "2-digit" });
};

const PREFIXES = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];

/** An amount of memory: `1.5 KiB`. */
export const bytes = (count) => {
  const power = Math.min(PREFIXES.length - 1, Math.max(0, Math.floor(Math.log2(Math.abs(count) || 1) / 10)));
  return `${significant(count / 1024 ** power)} ${PREFIXES[power]}B`;
};

/** A whole number with its thousands apart. */
export const count = (number) => (Number.isFinite(number) ? number.toLocaleString("en-US") : String(number));

/** Three digits that count: `0.0123`, `12.3`, `1,230`. */
export const significant = (number) =>
  Math.abs(number) >= 1000 ? count(Math.round(number)) : String(Number(number.toPrecision(3)));

/** `1 group`, `2 groups`; `many` for a plural that is not just an `s`. */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** What a sample's value means, by the name of its family; nothing if the number says it all. */
export const meaning = (family, text) => {
  const value = Number(text);
  if (!Number.isFinite(value) || text === "") return "";
  if (/(_timestamp|_time)(_seconds)?$/.test(family) && value > 1e8 && value < 1e11) return relative(value);
  if (/_seconds(_total)?$/.test(family) && Math.abs(value) >= 60) return duration(value);
  if (/_bytes(_total)?$/.test(family) && Math.abs(value) >= 1024) return bytes(value);
  return "";
};

// Characters that a reader cannot see, or that turn the text around them: controls, marks of direction, separators.
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Text with the characters that nobody can see, or that reorder others, written as `\u{202e}`. */
export const visible = (text) =>
  String(text).replace(UNSEEN, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);

/** The same of a text that may have several lines. */
export const visibleLines = (text) => String(text).split("\n").map(visible).join("\n");

const compactFormat = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

/** A number in little room: `16.4K`. */
export const compact = (number) => (Math.abs(number) < 1 ? significant(number) : compactFormat.format(number));
