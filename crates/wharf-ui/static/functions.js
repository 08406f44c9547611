// Fills the page from the JSON API. Everything pushed is set as text, never as markup.

const api = async (path) => {
  const response = await fetch(path, { cache: "no-store" });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return (await response.json()).data;
};

const element = (name, text = "", className = "") => {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
};

const row = (table, name, value) => {
  const line = element("tr");
  const head = element("th", name);
  head.scope = "row";
  line.append(head, element("td", value));
  table.append(line);
};

// An object is a family if it has what every family has; labels and the failure flag stand beside families.
const isFamily = (value) => value !== null && typeof value === "object" && Array.isArray(value.metrics);

const describeMetric = (metric) => {
  const labels = Object.entries(metric.labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const parts = [`{${labels.join(",")}}`];
  if (metric.value !== undefined) parts.push(metric.value);
  if (metric.count !== undefined) parts.push(`count ${metric.count}, sum ${metric.sum}`);
  for (const [name, values] of [["quantiles", metric.quantiles], ["buckets", metric.buckets]]) {
    if (values) parts.push(`${name} ${JSON.stringify(values)}`);
  }
  return parts.join("  ");
};

const showFamilies = (details, families) => {
  const table = element("table");
  for (const [name, family] of families) {
    const title = `${name} (${family.type.toLowerCase()})${family.help ? `\n${family.help}` : ""}`;
    row(table, title, family.metrics.map(describeMetric).join("\n"));
  }
  details.append(table);
};

const showGroup = (group, expiresAt) => {
  const families = Object.entries(group).filter(([, value]) => isFamily(value));
  const details = element("details");
  const summary = element("summary");
  const { job, ...labels } = group.labels;
  for (const [name, value] of Object.entries({ job, ...labels })) {
    summary.append(element("span", `${name}=${JSON.stringify(value)}`, "label"));
  }
  if (group.last_push_successful === false) summary.append(element("span", "last push failed", "failed"));
  // A group that was made for a refused push has the push time 0.
  const times = group.push_time_seconds;
  const pushed = times?.metrics[0]?.value !== "0" && times?.time_stamp;
  if (pushed) summary.append(element("time", `pushed ${new Date(pushed).toLocaleString()}`, "time"));
  if (expiresAt) summary.append(element("time", `expires ${new Date(expiresAt).toLocaleString()}`, "expiry"));
  details.append(summary);
  details.addEventListener("toggle", () => details.open && showFamilies(details, families), { once: true });
  return details;
};

const MOST_SHOWN = 500;

const load = async () => {
  const [groups, status, listing] = await Promise.all([
    api("api/v1/metrics"),
    api("api/v1/status"),
    api(`api/v1/groups?fields=labels,expires_at&limit=${MOST_SHOWN}`),
  ]);
  // Both lists come in the order of the labels, and write them in the same order.
  const expiry = new Map(listing.groups.map((group) => [JSON.stringify(group.labels), group.expires_at]));
  document.getElementById("summary").textContent = `${groups.length} groups`;
  const list = document.getElementById("groups");
  list.append(...groups.slice(0, MOST_SHOWN).map((group) => showGroup(group, expiry.get(JSON.stringify(group.labels)))));
  if (groups.length === 0) list.append(element("p", "Nothing has been pushed yet.", "empty"));
  if (groups.length > MOST_SHOWN) {
    list.append(element("p", `${groups.length - MOST_SHOWN} more groups are not shown.`, "empty"));
  }
  const table = document.querySelector("#status tbody");
  row(table, "started", status.start_time);
  for (const [name, value] of Object.entries(status.build_information)) row(table, name, value);
  const flags = document.querySelector("#flags tbody");
  for (const [name, value] of Object.entries(status.flags)) row(flags, name, value);
};

load().catch((error) => {
  document.getElementById("summary").textContent = `cannot read the API: ${error.message}`;
});
