// Lines at the bottom of the page: what has been done, and what went wrong.

import { announce, h } from "./dom.js";

/** Shows a line at the bottom of the page, with buttons if any; returns what takes it away. */
export const notice = (text, ...buttons) => {
  const element = h("div", { class: "notice" }, h("span", {}, text), h("span", { class: "choices" }, buttons));
  document.getElementById("notices").append(element);
  announce(element.firstChild.textContent);
  return () => element.remove();
};

/** A button of such a line. */
export const action = (text, onclick) => h("button", { type: "button", class: "link", onclick }, text);

/** Says that something went wrong, until the reader has read it. */
export const fail = (text) => {
  const close = notice(text, action("Dismiss", () => close()));
  return close;
};

/** Says that something has been done, for a moment. */
export const done = (text) => setTimeout(notice(text), 3000);
