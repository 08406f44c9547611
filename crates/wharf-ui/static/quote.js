// Labels in other languages: shells, programs, selectors. Labels may hold anything that is valid Unicode.

const LEGACY_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** A word for a shell. */
export const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A string literal that Python and Go both read. */
export const literal = (text) => {
  const escaped = text.replace(/["\\]|[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    if (character === '"' || character === "\\") return `\\${character}`;
    const code = character.codePointAt(0).toString(16);
    return character.length > 1 ? `\\U${code.padStart(8, "0")}` : `\\u${code.padStart(4, "0")}`;
  });
  return `"${escaped}"`;
};

const selectorLiteral = (text) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;

/** The selector of exactly the groups that have these labels. */
export const selector = (labels) => {
  const matchers = Object.entries(labels).map(([label, value]) => {
    const quoted = LEGACY_NAME.test(label) ? label : selectorLiteral(label);
    return `${quoted}=${selectorLiteral(value)}`;
  });
  return `{${matchers.join(",")}}`;
};

/** The lines that push to and delete a group, in the languages that people push from. `base` is the gateway's URL, and
 *  `path` the group's below `metrics/`, which the gateway has encoded. */
export const snippets = (base, path, labels) => {
  const url = `${base}metrics/${path}`;
  const { job = "", ...grouping } = labels;
  const gateway = base.replace(/\/$/, "");
  const keys = Object.entries(grouping);
  const dictionary = `{${keys.map(([label, value]) => `${literal(label)}: ${literal(value)}`).join(", ")}}`;
  const groupingKey = keys.length > 0 ? `, grouping_key=${dictionary}` : "";
  return {
    curl: {
      push: `echo 'my_metric 42' | curl --fail --data-binary @- ${shell(url)}`,
      delete: `curl --fail -X DELETE ${shell(url)}`,
    },
    Python: {
      push: [
        "from prometheus_client import CollectorRegistry, Gauge, pushadd_to_gateway", "",
        "registry = CollectorRegistry()",
        'Gauge("my_metric", "What it says.", registry=registry).set(42)',
        `pushadd_to_gateway(${literal(gateway)}, job=${literal(job)}${groupingKey}, registry=registry)`,
      ].join("\n"),
      delete: [
        "from prometheus_client import delete_from_gateway", "",
        `delete_from_gateway(${literal(gateway)}, job=${literal(job)}${groupingKey})`,
      ].join("\n"),
    },
    Go: Object.values(labels).some(isChangedByGo) ? goByUrl(url) : goByClient(gateway, job, keys),
  };
};

/** Whether Go's client names another value: it writes a blank as `+`, which is a plus for all others. */
const isChangedByGo = (value) => value.includes(" ") && !value.includes("/");

const goByClient = (gateway, job, keys) => {
  const chain = keys.map(([label, value]) => `.\n\tGrouping(${literal(label)}, ${literal(value)})`).join("");
  const pusher = `push.New(${literal(gateway)}, ${literal(job)})${chain}`;
  return {
    push: [
      'metric := prometheus.NewGauge(prometheus.GaugeOpts{Name: "my_metric", Help: "What it says."})',
      "metric.Set(42)",
      `err := ${pusher}.\n\tCollector(metric).Add()`,
    ].join("\n"),
    delete: `err := ${pusher}.\n\tDelete()`,
  };
};

const goByUrl = (url) => ({
  push: [
    "// The package push would write the blank as a plus, which is another group.",
    `_, err := http.Post(${literal(url)}, "text/plain",`,
    '\tstrings.NewReader("my_metric 42\\n"))',
  ].join("\n"),
  delete: [
    `request, err := http.NewRequest(http.MethodDelete, ${literal(url)}, nil)`,
    "if err == nil {", "\t_, err = http.DefaultClient.Do(request)", "}",
  ].join("\n"),
});
