// What services do with hot-shots, as it is by default. That it is in a container it finds by itself, by the environment.
'use strict';

const { StatsD } = require('hot-shots');

const [address] = process.argv.slice(2);
const [host, port] = address.split(':');
const client = new StatsD({
  host,
  port: Number(port),
  prefix: 'shop.',
  globalTags: { env: 'test' },
  errorHandler: (error) => {
    console.error(error);
    process.exitCode = 1;
  },
});
client.increment('orders', 1, { country: 'fr' });
client.increment('orders', 2, { country: 'fr' });
client.increment('visits', 1, ['bare']);
client.increment('stock', 5);
client.decrement('stock');
client.gauge('temperature', 21.5);
client.gauge('balance', -5);
client.gauge('level', 10);
client.gaugeDelta('level', 3);
client.gaugeDelta('level', -5);
client.histogram('size', 1.25);
client.histogram('size', 2);
client.distribution('latency', 3);
client.timing('took', 320);
client.set('users', 'alice');
client.set('users', 'bob');
client.set('users', 'alice');
client.gauge('stamped', 7, { timestamp: 1700000000 });
client.event('deployed', 'version 2');
client.check('database', client.CHECKS.OK);
client.increment('last');
client.close();
