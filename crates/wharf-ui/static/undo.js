// Deletions that can be taken back. The request goes out when the time to undo is over, or when the page is left.

import { announce, h } from "./dom.js";

const UNDO_S = 10;
/** What can be said before: how long there is to undo it. */
export const UNDO_TEXT = `You can undo it for ${UNDO_S} seconds. Leaving or reloading the page deletes at once.`;
// Browsers send this many requests of a page that is gone, and drop some of more.
const MOST_WHEN_LEAVING = 200;
const pending = new Map();

/** Whether this is about to be deleted. Keys are what `later` was given. */
export const isPending = (key) => pending.has(key);

/**
 * Deletes later, and counts down until then. `keys` are those of `isPending`, `what` names them, `send` deletes them and
 * gets to know whether the page is being left, and `changed` is called when they are about to go, and when that is over.
 */
export const later = ({ keys, what, send, changed }) => {
  // Read aloud once; the seconds that follow are for those who see them.
  const left = h("span", { class: "left", "aria-hidden": "true" }, `${UNDO_S} s`);
  const close = notice([`${what} will be deleted in `, left, ". Leaving the page deletes at once."],
    h("button", { type: "button", class: "link", onclick: () => end(false) }, "Undo"));
  const due = Date.now() + UNDO_S * 1000;
  const ticking = setInterval(() => {
    left.textContent = `${Math.max(0, Math.ceil((due - Date.now()) / 1000))} s`;
  }, 250);
  let isOver = false;
  const end = (isWanted, isLeaving = false) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    clearInterval(ticking);
    removeEventListener("pagehide", leave);
    close();
    const sent = isWanted ? Promise.resolve(send(isLeaving)).then(() => done(`Deleted ${what}`)) : Promise.resolve();
    sent.catch((error) => fail(error.message)).finally(() => {
      removeEventListener("beforeunload", ask);
      keys.forEach((key) => pending.delete(key));
      changed();
    });
  };
  const leave = () => end(true, true);
  // The browser asks the reader whether to leave.
  const ask = (event) => event.preventDefault();
  if (keys.length > MOST_WHEN_LEAVING) addEventListener("beforeunload", ask);
  const timer = setTimeout(() => end(true), UNDO_S * 1000);
  keys.forEach((key) => pending.set(key, true));
  addEventListener("pagehide", leave);
  changed();
};

/** Shows a line at the bottom of the page, with buttons if any; returns what takes it away. */
export const notice = (text, ...buttons) => {
  const element = h("div", { class: "notice" }, h("span", {}, text), buttons);
  document.getElementById("notices").append(element);
  announce(element.firstChild.textContent);
  return () => element.remove();
};

/** Says that something went wrong, until the reader has read it. */
export const fail = (text) => {
  const close = notice(text, h("button", { type: "button", class: "link", onclick: () => close() }, "Dismiss"));
  return close;
};

/** Says that something has been done, for a moment. */
export const done = (text) => setTimeout(notice(text), 3000);
