# frozen_string_literal: true

# The requests that client_ruby (the gem prometheus-client) sends when it pushes, made by Ruby's own HTTP library, for
# machines that cannot fetch the gem: one Net::HTTP request with `text/plain; version=0.0.4`, the labels of the
# grouping key behind the job, values escaped by ERB or, with a slash or empty, in padded URL-safe base64.

require 'base64'
require 'erb'
require 'net/http'

GATEWAY = URI(ENV.fetch('GATEWAY'))
GATEWAY_AUTH = URI(ENV.fetch('GATEWAY_AUTH'))
TEXT = <<~TEXT
  # TYPE ruby_job_duration_seconds gauge
  # HELP ruby_job_duration_seconds How long the job took
  ruby_job_duration_seconds 12.5
  # TYPE ruby_job_records_processed_total counter
  # HELP ruby_job_records_processed_total Records by outcome
  ruby_job_records_processed_total{status="success"} 990.0
  ruby_job_records_processed_total{status="error"} 10.0
  # TYPE ruby_job_record_processing_seconds histogram
  # HELP ruby_job_record_processing_seconds How long a record took
  ruby_job_record_processing_seconds_bucket{le="0.005"} 100.0
  ruby_job_record_processing_seconds_bucket{le="+Inf"} 110.0
  ruby_job_record_processing_seconds_sum 0.5
  ruby_job_record_processing_seconds_count 110.0
TEXT

def path(job, labels)
  pairs = { 'job' => job }.merge(labels).map do |name, value|
    if value.include?('/')
      "/#{name}@base64/#{Base64.urlsafe_encode64(value)}"
    elsif value.empty?
      "/#{name}@base64/="
    else
      "/#{name}/#{ERB::Util.url_encode(value)}"
    end
  end
  "/metrics#{pairs.join}"
end

# client_ruby raises one error for each class of statuses, with the code, the message and the body.
def step(name, verb, job, labels = {}, body: TEXT, gateway: GATEWAY, user: nil)
  request = verb.new(path(job, labels))
  request.content_type = 'text/plain; version=0.0.4'
  request.basic_auth(*user) if user
  request.body = body unless verb == Net::HTTP::Delete
  response = Net::HTTP.start(gateway.host, gateway.port) { |http| http.request(request) }
  if response.code.to_i < 300
    puts "client_ruby, #{name}: ok"
  else
    said = "status: #{response.code}, message: #{response.message}, body: #{response.body}"
    puts "client_ruby, #{name}: #{said.gsub("\n", '\n')}"
  end
end

step('replace', Net::HTTP::Put, 'ruby_job', { 'instance' => 'worker-1', 'path' => '/var/lib' })
step('add', Net::HTTP::Post, 'ruby_job_added')
step('delete, push', Net::HTTP::Post, 'ruby_job_deleted')
step('delete', Net::HTTP::Delete, 'ruby_job_deleted')
['a/b', 'a b', '', 'ü', '日本', 'a+b%2F', '='].each do |value|
  step("job #{value}", Net::HTTP::Post, value, { 'ruby' => 'job' })
  step("label #{value}", Net::HTTP::Post, 'ruby_names', { 'name' => value })
end
step('auth', Net::HTTP::Put, 'ruby_auth', gateway: GATEWAY_AUTH, user: %w[batch s3cret])
step('auth, wrong password', Net::HTTP::Put, 'ruby_auth', gateway: GATEWAY_AUTH, user: %w[batch secret])
step('refused', Net::HTTP::Put, 'ruby_refused', body: "ruby_job_duration_seconds 1 1600000000000\n")
