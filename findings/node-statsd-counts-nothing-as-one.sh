#!/usr/bin/env bash
# node-statsd sends 1 when it is told to add 0.
#
# Guessed: `increment("retries", 0)` adds nothing; 0 is a number like any other.
# Seen: the amount is taken by `value || 1`, so 0 becomes 1, and `decrement` by 0 takes one away. A counter that is fed with "how many this
# time", mostly none, counts the calls instead of the events.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit node-statsd@0.1.1 >/dev/null
cat >say.js <<'JS'
const { StatsD } = require("node-statsd");
const server = require("dgram").createSocket("udp4");
const wanted = ["retries:0|c", "retries:0|c", "retries:3|c"];
const sent = [];
server.on("message", (line) => {
  sent.push(line.toString());
  if (sent.length < wanted.length) return;
  console.log("wanted:", wanted.join(" "));
  console.log("sent:  ", sent.join(" "));
  process.exit(sent.join(" ") === "retries:1|c retries:-1|c retries:3|c" ? 0 : 1);
});
server.bind(0, "127.0.0.1", () => {
  const client = new StatsD({ host: "127.0.0.1", port: server.address().port });
  client.increment("retries", 0);
  client.decrement("retries", 0);
  client.increment("retries", 3);
});
JS
echo "node-statsd 0.1.1"
node say.js
