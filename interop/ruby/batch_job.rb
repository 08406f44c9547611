# frozen_string_literal: true

# A batch job that pushes with prometheus-client-mmap, the client of the forks and workers of GitLab. It returns the
# response whatever it is; a careful user looks at it.

require 'prometheus/client'
require 'prometheus/client/push'

GATEWAY = ENV.fetch('GATEWAY')
GATEWAY_AUTH = ENV.fetch('GATEWAY_AUTH')

# One process, whose values need no files.
Prometheus::Client.configuration.value_class = Prometheus::Client::SimpleValue

# What a run of the job has measured. Histograms and summaries are left out: the library fails to write them.
def batch_job
  registry = Prometheus::Client::Registry.new
  registry.gauge(:batch_job_duration_seconds, 'How long the job took').set({}, 12.5)
  records = registry.counter(:batch_job_records_processed_total, 'Records by outcome')
  records.increment({ status: 'success' }, 990)
  records.increment({ status: 'error' }, 10)
  registry.gauge(:batch_job_last_success_timestamp, 'When the job succeeded last').set({}, 1.6e9)
  registry
end

def duration_only(seconds)
  registry = Prometheus::Client::Registry.new
  registry.gauge(:batch_job_duration_seconds, 'How long the job took').set({}, seconds)
  registry
end

# Values and texts that need care.
def other_things
  registry = Prometheus::Client::Registry.new
  odd = registry.gauge(:batch_job_odd, "With \\ and\na line")
  odd.set({ kind: "a \"quoted\" \\ \n" }, 0.1)
  odd.set({ kind: 'inf' }, Float::INFINITY)
  registry
end

def wrong_type
  registry = Prometheus::Client::Registry.new
  registry.counter(:batch_job_duration_seconds, 'How long the job took').increment({}, 12)
  registry
end

def push(job, instance = nil, gateway: GATEWAY)
  Prometheus::Client::Push.new(job: job, instance: instance, gateway: gateway, read_timeout: 60)
end

def step(name)
  response = yield
  said = response.is_a?(Net::HTTPSuccess) ? 'ok' : "#{response.code} #{response.message}: #{response.body}"
  puts "#{name}: #{said.gsub("\n", '\n')}"
rescue StandardError => e
  puts "#{name}: #{e.message.gsub("\n", '\n')}"
end

step('replace') { push('daily_report_job', 'worker-1').replace(batch_job) }
step('replace twice, first') { push('twice').replace(batch_job) }
step('replace twice, second') { push('twice').replace(duration_only(1)) }
step('add, first') { push('added').add(batch_job) }
step('add, second') { push('added').add(duration_only(13)) }
step('delete, push') { push('deleted').add(batch_job) }
step('delete') { push('deleted').delete }
step('delete nothing') { push('never_there').delete }
['a/b', 'a b', '', 'ü', '日本', 'a+b%2F', '='].each do |value|
  step("job #{value}") { push(value).add(batch_job) }
  step("label #{value}") { push('names', value).add(batch_job) }
end
step('other things') { push('other_things').add(other_things) }
step('nothing at all') { push('nothing').add(Prometheus::Client::Registry.new) }
locked = ->(user) { GATEWAY_AUTH.sub('//', "//#{user}@") }
step('auth') { push('auth', gateway: locked['batch:s3cret']).add(batch_job) }
step('auth, wrong password') { push('auth', gateway: locked['batch:secret']).add(batch_job) }
step('auth, none') { push('auth', gateway: GATEWAY_AUTH).add(batch_job) }
step('refused, another type') { push('refused_type').add(wrong_type) }
