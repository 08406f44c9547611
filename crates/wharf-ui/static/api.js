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

/** What an answer has in its envelope. */
const data = async (response) => (await response.json()).data;

/** Reads a route below `api/v1/`. `signal` gives up on it. */
export const get = async (path, parameters, signal) => data(await request(url(path, parameters), { signal }));

/** Deletes a group, or one family of it. The request outlives the page, which may be about to close. */
export const deleteGroup = async (path, family) =>
  data(await request(url(`groups/${path}`, { family }), { method: "DELETE", keepalive: true }));

/** Lets what a group has counted begin from nothing. */
export const resetGroup = async (path) => data(await request(url(`groups/${path}/reset`), { method: "POST" }));

// Browsers refuse to keep more than some hundred requests alive at once.
const AT_ONCE = 50;

/** Deletes many groups: what the gateway says of undoing each, and why some stay, if they do. */
export const deleteGroups = async (paths) => {
  const receipts = [];
  const refused = [];
  for (let from = 0; from < paths.length; from += AT_ONCE) {
    const deleted = await Promise.allSettled(paths.slice(from, from + AT_ONCE).map((path) => deleteGroup(path)));
    for (const { value, reason } of deleted) {
      if (value) receipts.push(value.undo);
      else refused.push(reason.message);
    }
  }
  const [first] = refused;
  const others = refused.length - 1;
  return { receipts, refused: others > 0 ? `${first}\nand ${others} more are not deleted` : first };
};

/** What selectors name: how much, which groups, and what is said of undoing it. Removes it unless `dry_run`. */
export const deleteMatching = async (parameters) => data(await request(url("groups", parameters), { method: "DELETE" }));

/** Removes everything; what is said of undoing it. */
export const wipe = async () => {
  const { headers } = await request(url("admin/wipe"), { method: "PUT" });
  const [id, impossible] = ["Wharf-Undo-Id", "Wharf-Undo-Impossible"].map((name) => headers.get(name));
  return id || impossible ? { id, impossible } : null;
};

/** Takes a removal back: what has come back, and what has not. */
export const undo = async (id) => data(await request(url("admin/undo", { id }), { method: "PUT" }));

/** The stream of what changes. */
export const events = () => new EventSource(url("events"));

let allowed;

/** What this visitor may do; nothing, if the gateway does not say. Asked once a page, and again when rules may have changed. */
export const access = () => {
  const forget = (answer) => {
    allowed = undefined;
    return answer;
  };
  // The gateway may know better in a moment, and a visitor who may read nothing yet is about to be asked for a password.
  allowed ??= get("access").then((answer) => (answer.read ? answer : forget(answer)), () => forget({}));
  return allowed;
};

/** Asks again next time. */
export const forgetAccess = () => { allowed = undefined; };
