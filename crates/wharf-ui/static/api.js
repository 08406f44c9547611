// The gateway's JSON API. Every answer of it has its data in an envelope; every refusal is a line of text.

import { BASE } from "./route.js";

/** What the gateway refused, or why it could not be asked. `message` is the gateway's own text where there is one. */
export class ApiError extends Error {
  constructor(status, text) {
    super(text.trim() || `the gateway answered ${status}`);
    this.status = status;
  }
}

const url = (path, parameters = {}) => {
  const target = new URL(`api/v1/${path}`, BASE);
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) {
      if (one !== undefined && one !== "") target.searchParams.append(name, one);
    }
  }
  return target;
};

const request = async (target, options) => {
  let response;
  try {
    response = await fetch(target, { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "the gateway cannot be reached");
  }
  if (!response.ok) throw new ApiError(response.status, (await response.text()).slice(0, 1000));
  return response;
};

/** Reads a route below `api/v1/`. `signal` gives up on it. */
export const get = async (path, parameters, signal) => (await (await request(url(path, parameters), { signal })).json()).data;

/** Deletes a group, or one family of it. The request outlives the page, which may be about to close. */
export const deleteGroup = (path, family) =>
  request(url(`groups/${path}`, { family }), { method: "DELETE", keepalive: true });

// Browsers refuse to keep more than some hundred requests alive at once.
const AT_ONCE = 50;

/**
 * Deletes many groups; of those that stay the first one's refusal is thrown, when the others have gone. A page that is
 * being left cannot wait, and asks for all of them at once.
 */
export const deleteGroups = async (paths, isLeaving) => {
  const refused = [];
  const atOnce = isLeaving ? paths.length : AT_ONCE;
  for (let from = 0; from < paths.length; from += atOnce) {
    const deleted = await Promise.allSettled(paths.slice(from, from + atOnce).map((path) => deleteGroup(path)));
    refused.push(...deleted.filter(({ status }) => status === "rejected"));
  }
  const [first] = refused;
  if (!first) return;
  const others = refused.length - 1;
  throw others > 0 ? new ApiError(first.reason.status, `${first.reason.message}\nand ${others} more are not deleted`) : first.reason;
};

/** What selectors name: how much, and which groups. Removes it unless `dry_run`. */
export const deleteMatching = async (parameters) =>
  (await (await request(url("groups", parameters), { method: "DELETE" })).json()).data;

/** Removes everything. */
export const wipe = () => request(url("admin/wipe"), { method: "PUT" });

/** The stream of what changes. */
export const events = () => new EventSource(url("events"));

let allowed;

/** What this visitor may do; nothing, if the gateway does not say. Asked once a page. */
export const access = () => {
  const forget = (answer) => {
    allowed = undefined;
    return answer;
  };
  // The gateway may know better in a moment, and a visitor who may read nothing yet is about to be asked for a password.
  allowed ??= get("access").then((answer) => (answer.read ? answer : forget(answer)), () => forget({}));
  return allowed;
};
