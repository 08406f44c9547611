// Deletions that can be taken back. The request goes out when the time to undo is over, or when the page is left.

import { announce, h } from "./dom.js";

const UNDO_MS = 10_000;
// Browsers send this many requests of a page that is gone, and drop some of more.
const MOST_WHEN_LEAVING = 200;
const pending = new Map();

/** Whether this is about to be deleted: then it is not shown. Keys are what `later` was given. */
export const isPending = (key) => pending.has(key);

/**
 * Deletes later. `keys` are those of `isPending`, `text` says what is deleted, `send` does it and gets to know whether the
 * page is being left, and `changed` is called whenever something appears or disappears.
 */
export const later = ({ keys, text, send, changed }) => {
  const close = notice(text, h("button", { type: "button", class: "link", onclick: () => end(false) }, "Undo"));
  let isOver = false;
  const end = (isWanted, isLeaving = false) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    removeEventListener("pagehide", leave);
    close();
    const sent = isWanted ? Promise.resolve(send(isLeaving)) : Promise.resolve();
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
  const timer = setTimeout(() => end(true), UNDO_MS);
  keys.forEach((key) => pending.set(key, true));
  addEventListener("pagehide", leave);
  changed();
};

/** Shows a line at the bottom of the page, with buttons if any; returns what takes it away. */
export const notice = (text, ...buttons) => {
  const element = h("div", { class: "notice" }, h("span", {}, text), buttons);
  document.getElementById("notices").append(element);
  announce(text);
  return () => element.remove();
};

/** Says that something went wrong, until the reader has read it. */
export const fail = (text) => {
  const close = notice(text, h("button", { type: "button", class: "link", onclick: () => close() }, "Dismiss"));
  return close;
};

/** Says that something has been done, for a moment. */
export const done = (text) => setTimeout(notice(text), 3000);
