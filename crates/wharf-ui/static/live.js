// Following the gateway without reloading the page: by its stream of changes, or by asking again where there is none.
// Nothing is asked while nobody looks.

import { events, forgetAccess } from "./api.js";

const POLL_MS = 10_000;
// The gateway's changes may come several times a second; a reader cannot follow more than this.
const LEAST_PAUSE_MS = 1000;

/**
 * Calls `refresh` after changes; it may return a promise, and is not called again before that has settled.
 * `show` gets the state: `live`, `polling`, `paused`, `off`. Returns what begins it, `go`, and what ends it, `rest`.
 */
export const follow = (refresh, show) => {
  let stream;
  let poll;
  let due;
  let isBusy = false;
  let isStale = false;
  let isWanted = false;

  const run = async () => {
    due = undefined;
    if (document.hidden || !isWanted) return;
    isBusy = true;
    isStale = false;
    await Promise.resolve(refresh()).catch(() => {});
    isBusy = false;
    if (isStale) schedule();
  };
  const schedule = () => {
    isStale = true;
    if (!due && !isBusy) due = setTimeout(run, LEAST_PAUSE_MS);
  };

  const stop = () => {
    stream?.close();
    clearInterval(poll);
    stream = poll = undefined;
  };
  const startPolling = () => {
    poll ??= setInterval(schedule, POLL_MS);
    show("polling");
  };
  const start = () => {
    stop();
    startPolling();
    stream = events();
    stream.addEventListener("hello", () => {
      clearInterval(poll);
      poll = undefined;
      show("live");
      // What happened between two streams was in neither. A stream also ends when the rules change that say who may do what.
      forgetAccess();
      schedule();
    });
    stream.addEventListener("change", schedule);
    // The browser tries again by itself, unless it was told off; asking again meanwhile does no harm.
    stream.addEventListener("error", () => {
      startPolling();
      // Whether the gateway is still there is to be known at once.
      schedule();
    });
  };

  document.addEventListener("visibilitychange", () => {
    if (!isWanted) return;
    if (document.hidden) {
      stop();
      show("paused");
    } else {
      start();
      schedule();
    }
  });
  // A page that is kept for the back button must not keep its stream: places for readers are few.
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => event.persisted && isWanted && start());
  return {
    go: () => {
      if (isWanted) return;
      isWanted = true;
      if (!document.hidden) start();
    },
    rest: () => {
      isWanted = false;
      stop();
      show("off");
    },
  };
};
