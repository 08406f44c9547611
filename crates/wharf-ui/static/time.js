// Times that stay true while the page is open: `3 min ago` becomes `4 min ago` by itself.

import { h } from "./dom.js";
import { exact, relative } from "./format.js";

const TICK_MS = 5000;

/** A moment in seconds since the epoch, relative, with the exact time beneath the pointer. */
export const ago = (seconds) => {
  const date = new Date(seconds * 1000);
  // A push time that was imported may be any number.
  const datetime = Number.isNaN(date.getTime()) ? undefined : date.toISOString();
  return h("time", { datetime, title: exact(seconds), data: { at: seconds } }, relative(seconds));
};

/** Keeps all times of the page true. */
export const start = () => setInterval(() => {
  for (const element of document.querySelectorAll("time[data-at]")) {
    const text = relative(Number(element.dataset.at));
    if (element.textContent !== text) element.textContent = text;
  }
}, TICK_MS);
