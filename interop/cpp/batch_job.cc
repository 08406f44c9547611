// A batch job that pushes with prometheus-cpp.
//
// In this library Push() sends POST and PushAdd() sends PUT, each with one request for every registered collectable,
// and all it tells of an answer is the status. The gateway's words for a refusal go to standard output by themselves.

#include <prometheus/counter.h>
#include <prometheus/gateway.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/summary.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <string>

using namespace prometheus;

// "http://127.0.0.1:9091" as the host and the port that the library wants.
struct Address {
  std::string host, port;

  explicit Address(const char* variable) {
    std::string url = std::getenv(variable);
    auto colon = url.rfind(':');
    host = url.substr(0, colon);
    port = url.substr(colon + 1);
  }
};

const Address gateway{"GATEWAY"}, locked_gateway{"GATEWAY_AUTH"};

// What a run of the job has measured.
std::shared_ptr<Registry> BatchJob() {
  auto registry = std::make_shared<Registry>();
  BuildGauge().Name("batch_job_duration_seconds").Help("How long the job took").Register(*registry).Add({}).Set(12.5);
  auto& records =
      BuildCounter().Name("batch_job_records_processed_total").Help("Records by outcome").Register(*registry);
  records.Add({{"status", "success"}}).Increment(990);
  records.Add({{"status", "error"}}).Increment(10);
  auto& processing = BuildHistogram()
                         .Name("batch_job_record_processing_seconds")
                         .Help("How long a record took")
                         .Register(*registry)
                         .Add({}, Histogram::BucketBoundaries{0.001, 0.005, 0.01, 0.05, 0.1, 0.5});
  for (int i = 0; i < 100; ++i) processing.Observe(0.003);
  for (int i = 0; i < 10; ++i) processing.Observe(0.02);
  BuildGauge()
      .Name("batch_job_last_success_timestamp")
      .Help("When the job succeeded last")
      .Register(*registry)
      .Add({})
      .Set(1.6e9);
  return registry;
}

std::shared_ptr<Registry> OneGauge(const std::string& name, double value) {
  auto registry = std::make_shared<Registry>();
  BuildGauge().Name(name).Help("How long the job took").Register(*registry).Add({}).Set(value);
  return registry;
}

// What the batch job does not use: a summary, values and texts that need care.
std::shared_ptr<Registry> OtherThings() {
  auto registry = std::make_shared<Registry>();
  auto& latency = BuildSummary()
                      .Name("batch_job_latency_seconds")
                      .Help("How long it took")
                      .Register(*registry)
                      .Add({}, Summary::Quantiles{{0.5, 0.05}});
  latency.Observe(0.25);
  auto& odd = BuildGauge().Name("batch_job_odd").Help("Odd values").Register(*registry);
  odd.Add({{"kind", "a \"quoted\" \\ \n"}}).Set(0.1);
  odd.Add({{"kind", "nan"}}).Set(std::numeric_limits<double>::quiet_NaN());
  odd.Add({{"kind", "inf"}}).Set(std::numeric_limits<double>::infinity());
  odd.Add({{"kind", "negative inf"}}).Set(-std::numeric_limits<double>::infinity());
  return registry;
}

// A source of metrics that says when it measured.
struct WithTimestamp : Collectable {
  std::vector<MetricFamily> Collect() const override {
    ClientMetric metric;
    metric.gauge.value = 12.5;
    metric.timestamp_ms = 1600000000000;
    return {{"batch_job_duration_seconds", "How long the job took", MetricType::Gauge, {metric}}};
  }
};

void Step(const std::string& name, int status) {
  if (status >= 200 && status < 300) {
    std::printf("%s: ok\n", name.c_str());
  } else {
    std::printf("%s: status %d\n", name.c_str(), status);
  }
}

using Sources = std::initializer_list<std::shared_ptr<Collectable>>;

Gateway& With(Gateway& client, Sources sources) {
  for (auto& source : sources) client.RegisterCollectable(source);
  return client;
}

int Add(const std::string& job, const Labels& labels, Sources sources) {
  Gateway client{gateway.host, gateway.port, job, labels};
  return With(client, sources).Push();
}

int Replace(const std::string& job, const Labels& labels, Sources sources) {
  Gateway client{gateway.host, gateway.port, job, labels};
  return With(client, sources).PushAdd();
}

int AddLocked(const std::string& user, const std::string& password) {
  Gateway client{locked_gateway.host, locked_gateway.port, "auth", {}, user, password};
  auto job = BatchJob();
  return With(client, {job}).Push();
}

int main() {
  auto job = BatchJob();
  std::shared_ptr<Collectable> one = OneGauge("batch_job_duration_seconds", 1), other = OneGauge("batch_job_other", 2);

  Step("replace", Replace("daily_report_job", Gateway::GetInstanceLabel("worker-1"), {job}));
  Step("replace twice, first", Replace("twice", {}, {job}));
  Step("replace twice, second", Replace("twice", {}, {one}));
  Step("two registries, of which the second replaces the first", Replace("two_replaced", {}, {one, other}));
  Step("two registries", Add("two_added", {}, {one, other}));
  Step("add, first", Add("added", {}, {job}));
  Step("add, second", Add("added", {}, {one}));

  {
    Gateway client{gateway.host, gateway.port, "deleted", Gateway::GetInstanceLabel("worker-1")};
    Step("delete, push", With(client, {job}).Push());
    Step("delete of the job alone", client.Delete());
    Step("delete", client.DeleteForInstance());
    Step("delete nothing", client.DeleteForInstance());
    Step("push in the background", client.AsyncPush().get());
    Step("replace in the background", client.AsyncPushAdd().get());
    Step("delete in the background", client.AsyncDeleteForInstance().get());
  }

  for (std::string value : {"a/b", "a b", "", "ü", "日本", "a+b%2F", "="}) {
    Step("job " + value, Add(value, {}, {job}));
    Step("label " + value, Add("names", {{"name", value}}, {job}));
  }
  {
    Gateway client{gateway.host, gateway.port, "labels", {{"b", "1"}}};
    Labels more{{"a", "2"}};
    client.RegisterCollectable(job, &more);
    Step("labels of one registry", client.Push());
  }
  std::shared_ptr<Collectable> other_things = OtherThings(), nothing = std::make_shared<Registry>();
  Step("other things", Add("other_things", {}, {other_things}));
  Step("nothing at all", Add("nothing", {}, {nothing}));

  Step("auth", AddLocked("batch", "s3cret"));
  Step("auth, wrong password", AddLocked("batch", "secret"));
  Step("auth, none", AddLocked("", ""));

  Step("refused, a timestamp", Add("refused_timestamp", {}, {std::make_shared<WithTimestamp>()}));
  auto clash = std::make_shared<Registry>();
  BuildCounter().Name("batch_job_other_total").Help("").Register(*clash).Add({}).Increment();
  std::shared_ptr<Collectable> gauge = OneGauge("batch_job_other_total", 1), counter = clash;
  Step("refused, first", Add("refused_type", {{"type", "gauge"}}, {gauge}));
  Step("refused, another type", Add("refused_type", {{"type", "counter"}}, {counter}));
}
