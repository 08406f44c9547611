// A batch job that pushes with prom-client, in every way the library offers.
'use strict';

const http = require('node:http');
const { Counter, Gauge, Histogram, Pushgateway, Registry, Summary } = require('prom-client');

const { GATEWAY, GATEWAY_AUTH } = process.env;
const VALUES = ['a/b', 'a b', '', 'ü', '日本', 'a+b%2F', '='];

// What a run of the job has measured.
function batchJob() {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({ name: 'batch_job_duration_seconds', help: 'How long the job took', registers }).set(12.5);
  const records = new Counter({
    name: 'batch_job_records_processed_total',
    help: 'Records by outcome',
    labelNames: ['status'],
    registers,
  });
  records.inc({ status: 'success' }, 990);
  records.inc({ status: 'error' }, 10);
  const processing = new Histogram({
    name: 'batch_job_record_processing_seconds',
    help: 'How long a record took',
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5],
    registers,
  });
  for (let i = 0; i < 100; i++) processing.observe(0.003);
  for (let i = 0; i < 10; i++) processing.observe(0.02);
  new Gauge({ name: 'batch_job_last_success_timestamp', help: 'When the job succeeded last', registers }).set(1.6e9);
  return registry;
}

function durationOnly(seconds) {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({ name: 'batch_job_duration_seconds', help: 'How long the job took', registers }).set(seconds);
  return registry;
}

// What the batch job does not use: a summary, default labels, values and texts that need care.
function otherThings() {
  const registry = new Registry();
  const registers = [registry];
  registry.setDefaultLabels({ release: 'a "quoted" \\ \n' });
  const latency = new Summary({ name: 'batch_job_latency_seconds', help: 'With \\ and\na line', registers });
  latency.observe(0.25);
  latency.observe(0.5);
  const odd = new Gauge({ name: 'batch_job_odd', help: 'Odd values', labelNames: ['kind'], registers });
  for (const value of [NaN, Infinity, -Infinity, 5e-324, 1e23, -0]) odd.set({ kind: String(1 / value) }, value);
  return registry;
}

// In OpenMetrics the registry writes exemplars and other names of counters.
function openMetrics(exemplars) {
  const registry = new Registry(Registry.OPENMETRICS_CONTENT_TYPE);
  const records = new Counter({
    name: 'batch_job_exported_total',
    help: 'Records exported',
    enableExemplars: exemplars,
    registers: [registry],
  });
  records.inc(exemplars ? { value: 5, exemplarLabels: { trace_id: '4bf92f35' } } : 5);
  return registry;
}

function wrongType() {
  const registry = new Registry();
  const registers = [registry];
  new Counter({ name: 'batch_job_duration_seconds', help: 'How long the job took', registers }).inc(12);
  return registry;
}

function withTimestamp() {
  const registry = durationOnly(12.5);
  const { metrics } = registry;
  registry.metrics = async () => (await metrics.call(registry)).replace(/ 12\.5$/m, ' 12.5 1600000000000');
  return registry;
}

async function step(name, push) {
  try {
    await push();
    console.log(`${name}: ok`);
  } catch (error) {
    console.log(`${name}: ${error.message.replaceAll('\n', '\\n')}`);
  }
}

async function main() {
  const gateway = new Pushgateway(GATEWAY, [], batchJob());
  const smaller = new Pushgateway(GATEWAY, [], durationOnly(1));

  await step('replace', () => gateway.push({ jobName: 'daily_report_job', groupings: { instance: 'worker-1' } }));
  await step('replace twice, first', () => gateway.push({ jobName: 'twice' }));
  await step('replace twice, second', () => smaller.push({ jobName: 'twice' }));
  await step('add, first', () => gateway.pushAdd({ jobName: 'added' }));
  await step('add, second', () => smaller.pushAdd({ jobName: 'added' }));
  await step('delete, push', () => gateway.push({ jobName: 'deleted' }));
  await step('delete', () => gateway.delete({ jobName: 'deleted' }));
  await step('delete nothing', () => gateway.delete({ jobName: 'never_there' }));

  // The library escapes with percent signs alone: a slash comes through as a separator.
  for (const value of VALUES) {
    await step(`job ${value}`, () => gateway.push({ jobName: value }));
    await step(`label ${value}`, () => gateway.push({ jobName: 'names', groupings: { name: value } }));
  }
  await step('labels', () => gateway.push({ jobName: 'labels', groupings: { b: '1', a: '2', instance: '' } }));
  await step('no job', () => new Pushgateway(GATEWAY, { requireJobName: false }, batchJob()).push());
  await step('a folder in the URL', () => new Pushgateway(`${GATEWAY}/folder`, [], batchJob()).push({ jobName: 'folder' }));

  const pushTo = (jobName, options, registry = batchJob()) => new Pushgateway(GATEWAY, options, registry).pushAdd({ jobName });
  await step('gzip', () => pushTo('gzip', { headers: { 'Content-Encoding': 'gzip' } }));
  await step('text', () => pushTo('text', { headers: { 'Content-Type': batchJob().contentType } }));
  await step('timeout', () => pushTo('timeout', { timeout: 60000 }));
  await step('other things', () => pushTo('other_things', {}, otherThings()));
  await step('nothing at all', () => pushTo('nothing', {}, new Registry()));
  await step('OpenMetrics', () => pushTo('openmetrics', {}, openMetrics(false)));
  await step('OpenMetrics with exemplars', () => pushTo('exemplars', {}, openMetrics(true)));

  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  await step('many at once over four connections', () =>
    Promise.all(Array.from({ length: 40 }, (_, i) => pushTo(`parallel_${i}`, { agent }, durationOnly(i)))));
  agent.destroy();

  const auth = (options) => new Pushgateway(GATEWAY_AUTH, options, batchJob());
  await step('auth', () => auth({ auth: 'batch:s3cret' }).pushAdd({ jobName: 'auth' }));
  await step('auth, delete', () => auth({ auth: 'batch:s3cret' }).delete({ jobName: 'auth' }));
  await step('auth in the URL', () =>
    new Pushgateway(GATEWAY_AUTH.replace('//', '//batch:s3cret@'), {}, batchJob()).pushAdd({ jobName: 'auth_in_url' }));
  await step('auth, wrong password', () => auth({ auth: 'batch:secret' }).pushAdd({ jobName: 'auth' }));
  await step('auth, none', () => auth({}).pushAdd({ jobName: 'auth' }));

  await step('refused, a timestamp', () => pushTo('refused_timestamp', {}, withTimestamp()));
  await step('refused, another type', () => pushTo('refused_type', {}, wrongType()));
}

main();
