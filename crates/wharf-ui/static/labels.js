// How a group is written: its job first, then its other labels.

import { h } from "./dom.js";
import { visible } from "./format.js";

/** Labels as `name=value`, in order; an empty value is shown as such. The blanks are for those who copy or listen. */
export const pairs = (labels) => Object.entries(labels).map(([name, value]) => [" ", pair(name, value)]);

const pair = (name, value) =>
  h("span", { class: "pair" },
    h("span", { class: "name" }, visible(name), "="),
    value === "" ? h("span", { class: "value faint" }, "(empty)") : h("span", { class: "value" }, visible(value)));

/** The labels of a group: its job as the title, the others beside it. */
export const group = ({ job, ...labels }) => [h("span", { class: "job" }, visible(job ?? "")), pairs(labels)];

/** The same as plain text. */
export const plain = ({ job, ...labels }) =>
  [visible(job ?? ""), ...Object.entries(labels).map(([name, value]) => `${visible(name)}=${visible(value)}`)].join(" ");
