"""A batch job that writes its metrics as text and pushes them with `requests`, as tutorials and answers show it."""

import gzip
import os
from urllib.parse import quote, quote_plus

import requests

GATEWAY = os.environ["GATEWAY"]
GATEWAY_AUTH = os.environ["GATEWAY_AUTH"]

VALUES = ["a/b", "a b", "", "ü", "日本", "a+b%2F", "="]

DURATION = """\
# HELP batch_job_duration_seconds How long the job took
# TYPE batch_job_duration_seconds gauge
batch_job_duration_seconds 1
"""
BATCH_JOB = """\
# HELP batch_job_duration_seconds How long the job took
# TYPE batch_job_duration_seconds gauge
batch_job_duration_seconds 12.5
# HELP batch_job_records_processed_total Records by outcome
# TYPE batch_job_records_processed_total counter
batch_job_records_processed_total{status="success"} 990
batch_job_records_processed_total{status="error"} 10
# HELP batch_job_record_processing_seconds How long a record took
# TYPE batch_job_record_processing_seconds histogram
batch_job_record_processing_seconds_bucket{le="0.001"} 0
batch_job_record_processing_seconds_bucket{le="0.005"} 100
batch_job_record_processing_seconds_bucket{le="0.01"} 100
batch_job_record_processing_seconds_bucket{le="0.05"} 110
batch_job_record_processing_seconds_bucket{le="0.1"} 110
batch_job_record_processing_seconds_bucket{le="0.5"} 110
batch_job_record_processing_seconds_bucket{le="+Inf"} 110
batch_job_record_processing_seconds_sum 0.5
batch_job_record_processing_seconds_count 110
# HELP batch_job_last_success_timestamp When the job succeeded last
# TYPE batch_job_last_success_timestamp gauge
batch_job_last_success_timestamp 1.6e+09
"""


def url(path):
    return f"{GATEWAY}/metrics/job/{path}"


def step(name, *requests_to_send):
    """Sends the requests; the outcome is that of the last one, or of the first that is refused."""
    try:
        for send in requests_to_send:
            response = send()
            response.raise_for_status()
        print(f"{name}: {response.status_code} {response.text!r}")
    except requests.HTTPError as error:
        print(f"{name}: {error} | {error.response.text!r}")
    except requests.RequestException as error:
        print(f"{name}: {type(error).__name__}")


def main():
    step("replace", lambda: requests.put(url("daily_report_job/instance/worker-1"), data=BATCH_JOB))
    step(
        "replace twice",
        lambda: requests.put(url("replace_twice"), data=BATCH_JOB),
        lambda: requests.put(url("replace_twice"), data=DURATION),
    )
    step(
        "add",
        lambda: requests.post(url("add"), data=BATCH_JOB),
        lambda: requests.post(url("add"), data=DURATION),
    )
    step(
        "delete",
        lambda: requests.post(url("delete/instance/worker-1"), data=BATCH_JOB),
        lambda: requests.delete(url("delete/instance/worker-1")),
    )
    step("delete nothing", lambda: requests.delete(url("never_pushed")))

    # By hand people quote in one of these two ways, or not at all and leave it to the library.
    for value in VALUES:
        step(f"job `{value}` quoted", lambda: requests.post(url(quote(value, safe="")), data=DURATION))
        step(f"label `{value}` quoted", lambda: requests.post(url("quoted/input/" + quote(value, safe="")), data=DURATION))
        step(f"label `{value}` plus", lambda: requests.post(url("plus/input/" + quote_plus(value)), data=DURATION))
        step(f"label `{value}` raw", lambda: requests.post(url("raw/input/" + value), data=DURATION))

    step("bytes", lambda: requests.post(url("bytes"), data=BATCH_JOB.encode()))
    step("text that is not ASCII", lambda: requests.post(url("text"), data='city_degrees{city="Zürich"} 1\n'))
    step("bytes that are not ASCII", lambda: requests.post(url("utf8"), data='city_degrees{city="東京"} 1\n'.encode()))
    step("in Latin-1", lambda: requests.post(url("latin1"), data='city_degrees{city="Zürich"} 1\n'.encode("latin-1")))
    step("chunks", lambda: requests.post(url("chunks"), data=(line.encode() + b"\n" for line in BATCH_JOB.splitlines())))
    step("dictionary as a form", lambda: requests.post(url("form"), data={"batch_job_duration_seconds": 12.5}))
    step("dictionary as JSON", lambda: requests.post(url("json"), json={"batch_job_duration_seconds": 12.5}))
    step("file upload", lambda: requests.post(url("upload"), files={"file": DURATION}))
    step("no body", lambda: requests.post(url("no_body")))
    step("empty line first", lambda: requests.post(url("empty_line"), data="\n" + DURATION))
    step("indented lines", lambda: requests.post(url("indented"), data="    a_metric 1\n    another_metric 2\n"))
    step("text content type", lambda: requests.post(url("text_plain"), data=DURATION, headers={"Content-Type": "text/plain"}))
    step(
        "version content type",
        lambda: requests.post(url("version"), data=DURATION, headers={"Content-Type": "text/plain; version=0.0.4"}),
    )
    step("octets", lambda: requests.post(url("octets"), data=DURATION, headers={"Content-Type": "application/octet-stream"}))
    step(
        "gzip",
        lambda: requests.post(url("gzip"), data=gzip.compress(BATCH_JOB.encode()), headers={"Content-Encoding": "gzip"}),
    )
    step("gzip that is not said", lambda: requests.post(url("gzip_unsaid"), data=gzip.compress(BATCH_JOB.encode())))
    step("slash at the end", lambda: requests.post(url("slash/"), data=DURATION))
    step("two slashes", lambda: requests.post(f"{GATEWAY}//metrics/job/two_slashes", data=DURATION))
    step("query", lambda: requests.post(url("query?timeout=5"), data=DURATION))
    step("without a value", lambda: requests.post(url("without_value/instance"), data=DURATION))
    step("the job is missing", lambda: requests.post(f"{GATEWAY}/metrics", data=DURATION))

    session = requests.Session()
    step("session", *[lambda: session.post(url("session"), data=DURATION)] * 3)

    auth_url = f"{GATEWAY_AUTH}/metrics/job/auth"
    step("right password", lambda: requests.post(auth_url, data=BATCH_JOB, auth=("batch", "s3cret")))
    step("right password in the URL", lambda: requests.post(auth_url.replace("//", "//batch:s3cret@"), data=DURATION))
    step("wrong password", lambda: requests.post(auth_url, data=DURATION, auth=("batch", "guess")))
    step("no password", lambda: requests.post(auth_url, data=DURATION))

    step("refused timestamp", lambda: requests.post(url("refused_timestamp"), data="batch_job_duration_seconds 12.5 1600000000000\n"))
    step("refused type", lambda: requests.post(url("refused_type"), data="# TYPE batch_job_records_processed_total gauge\nbatch_job_records_processed_total 1\n"))
    step("no number", lambda: requests.post(url("no_number"), data="batch_job_duration_seconds twelve\n"))
    step("no name", lambda: requests.post(url("no_name"), data="12.5\n"))
    step("a dash in a name", lambda: requests.post(url("dash"), data="batch-job-duration 12.5\n"))
    step("no quotes", lambda: requests.post(url("no_quotes"), data="batch_job_duration_seconds{instance=worker-1} 12.5\n"))
    step("single quotes", lambda: requests.post(url("single_quotes"), data="batch_job_duration_seconds{instance='worker-1'} 12.5\n"))
    step("twice the same", lambda: requests.post(url("twice"), data=DURATION + "batch_job_duration_seconds 2\n"))

    # Refused by the Pushgateway; Wharf forgives all three unless it runs with `--push.strict-text`, as it does here.
    step("lines end in CR LF", lambda: requests.post(url("crlf"), data=BATCH_JOB.replace("\n", "\r\n")))
    step("no last line feed", lambda: requests.post(url("no_line_feed"), data=DURATION.rstrip()))
    step("blank at the end", lambda: requests.post(url("blank"), data=DURATION.replace("\n", " \n")))


main()
