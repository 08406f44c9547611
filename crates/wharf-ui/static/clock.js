// What time it is at the gateway. The reader's clock may be another one, and ages would be wrong by as much.

// Less than this is how long an answer may take.
const LEAST_S = 2;
let ahead = 0;

/** Seconds since the epoch, by the gateway's clock. */
export const now = () => Date.now() / 1000 + ahead;

/** The gateway has just said that it is `seconds` since the epoch. */
export const set = (seconds) => {
  const difference = seconds - Date.now() / 1000;
  ahead = Math.abs(difference) > LEAST_S ? difference : 0;
};
