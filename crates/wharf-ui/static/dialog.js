// Questions to the reader. The browser's own dialog element keeps the focus inside and closes on Escape.

import { h } from "./dom.js";
import { done, fail } from "./notices.js";

/**
 * Asks before something is removed; resolves to whether the reader agreed. `word`, if given, has to be typed first.
 * `content` is shown between title and buttons; `begin` gets the button, if what it does depends on the content.
 */
export const confirm = ({ title, content = [], action, word, begin = () => {} }) => new Promise((resolve) => {
  const button = h("button", { type: "submit", class: "danger", value: "yes", disabled: Boolean(word) }, action);
  const input = word && h("input", {
    type: "text", id: "confirm-word", autocomplete: "off", spellcheck: "false",
    oninput: () => { button.disabled = input.value !== word; },
  });
  begin(button);
  open({
    title,
    content: [
      content,
      input && h("p", {}, h("label", { for: "confirm-word" }, "Type ", h("code", {}, word), " to go on "), input),
      h("p", { class: "buttons" }, h("button", { type: "submit", value: "no", formnovalidate: true }, "Cancel"), button),
    ],
    closed: (answer) => resolve(answer === "yes"),
    // Enter must not delete what nobody has read: the way back has the focus.
    focus: word ? "input" : "button[value=no]",
  });
});

/** Shows a dialog; `closed` gets the value of the button that closed it, or nothing. */
export const open = ({ title, content, closed = () => {}, focus }) => {
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" },
    h("form", { method: "dialog" }, h("h2", { id: "dialog-title" }, title), content));
  dialog.addEventListener("close", () => {
    dialog.remove();
    closed(dialog.returnValue);
  });
  // The reader may also click beside it.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close(""));
  document.body.append(dialog);
  dialog.showModal();
  if (focus) dialog.querySelector(focus).focus();
};

/** A button that copies a text. */
export const copyButton = (text, what = "") => h("button", {
  type: "button", class: "copy", "aria-label": `Copy ${what}`.trim(), title: "Copy",
  onclick: () => copy(text).then(() => done("Copied"), () => fail("the browser does not let this page copy")),
}, "Copy");

const copy = async (text) => {
  // Browsers give the clipboard to encrypted pages only; the old way works on all.
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { class: "unseen", readonly: true });
  area.value = text;
  (document.querySelector("dialog") ?? document.body).append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("refused");
};
