"""A batch job, pushed with the requests of clients that cannot be run here."""

import os

from clients import PowerShell, PrometheusNet, PromPHP, WindowsPowerShell

GATEWAY = os.environ["GATEWAY"]
GATEWAY_AUTH = os.environ["GATEWAY_AUTH"]

BATCH_JOB = """\
# TYPE batch_job_duration_seconds gauge
batch_job_duration_seconds 12.5
# TYPE batch_job_records_processed_total counter
batch_job_records_processed_total{status="success"} 990
batch_job_records_processed_total{status="error"} 10
# TYPE batch_job_last_success_timestamp gauge
batch_job_last_success_timestamp 1.6e+09
"""
ONE_GAUGE = "# TYPE batch_job_duration_seconds gauge\nbatch_job_duration_seconds 1\n"
WITH_TIMESTAMP = "batch_job_duration_seconds 12.5 1600000000000\n"
# Base64 only where a script has to use it.
VALUES = {"a/b": "@base64/YS9i", "a b": "/a b", "": "@base64/=", "ü": "/ü", "日本": "/日本", "=": "/="}


def step(name, answer):
    status, said = answer
    print(f"{name}: ok" if status in (200, 202) else f"{name}: {status} {said}".replace("\n", "\\n"))


def powershell(name, shell, locked):
    job = f"/metrics/job/{name}"
    step(f"{name}, add", shell.invoke("POST", f"{job}/step/add", BATCH_JOB))
    step(f"{name}, add again", shell.invoke("POST", f"{job}/step/add", ONE_GAUGE))
    step(f"{name}, replace", shell.invoke("PUT", f"{job}/step/replace", BATCH_JOB))
    step(f"{name}, replace again", shell.invoke("PUT", f"{job}/step/replace", ONE_GAUGE))
    step(f"{name}, delete, push", shell.invoke("POST", f"{job}/step/delete", BATCH_JOB))
    step(f"{name}, delete", shell.invoke("DELETE", f"{job}/step/delete"))
    step(f"{name}, delete nothing", shell.invoke("DELETE", f"{job}/step/never"))
    for value, path in VALUES.items():
        step(f"{name}, job {value}", shell.invoke("POST", f"/metrics/job{path}/shell/{name}", BATCH_JOB))
        step(f"{name}, label {value}", shell.invoke("POST", f"{job}/name{path}", BATCH_JOB))
    step(f"{name}, no ASCII", shell.invoke("POST", f"{job}/step/text", 'batch_job_text{text="ü"} 1\n'))
    step(f"{name}, a file", shell.invoke("POST", f"{job}/step/file", BATCH_JOB.encode()))
    # What `Out-File -Encoding utf8` and `>` of Windows PowerShell write.
    step(f"{name}, a file with a mark", shell.invoke("POST", f"{job}/step/mark", b"\xef\xbb\xbf" + BATCH_JOB.encode()))
    step(f"{name}, a file in UTF-16", shell.invoke("POST", f"{job}/step/wide", b"\xff\xfe" + BATCH_JOB.encode("utf-16-le")))
    step(f"{name}, credential", locked.invoke("POST", f"{job}/step/auth", BATCH_JOB, user="batch:s3cret"))
    step(f"{name}, wrong credential", locked.invoke("POST", f"{job}/step/auth", BATCH_JOB, user="batch:secret"))
    step(f"{name}, no credential", locked.invoke("POST", f"{job}/step/auth", BATCH_JOB))
    step(f"{name}, refused", shell.invoke("POST", f"{job}/step/refused", WITH_TIMESTAMP))


powershell("WindowsPowerShell", WindowsPowerShell(GATEWAY), WindowsPowerShell(GATEWAY_AUTH))
powershell("PowerShell", PowerShell(GATEWAY), PowerShell(GATEWAY_AUTH))

pusher = PrometheusNet(GATEWAY)
for number in range(3):
    step(f"prometheus-net, push {number}", pusher.push("/metrics/job/net/instance/worker-1", BATCH_JOB))
step("prometheus-net, replace", pusher.push("/metrics/job/net/step/replace", BATCH_JOB, replace=True))
step("prometheus-net, replace again", pusher.push("/metrics/job/net/step/replace", ONE_GAUGE, replace=True))
step("prometheus-net, nothing at all", pusher.push("/metrics/job/net/step/nothing", ""))
step("prometheus-net, refused", pusher.push("/metrics/job/net/step/refused", WITH_TIMESTAMP))
step("prometheus-net, no credentials", PrometheusNet(GATEWAY_AUTH).push("/metrics/job/net", BATCH_JOB))

php = PromPHP(GATEWAY)
step("PromPHP, replace", php.request("PUT", "/metrics/job/php/instance/worker-1", BATCH_JOB))
step("PromPHP, add", php.request("POST", "/metrics/job/php/instance/worker-1", ONE_GAUGE))
step("PromPHP, delete, push", php.request("PUT", "/metrics/job/php/step/delete", BATCH_JOB))
step("PromPHP, delete", php.request("DELETE", "/metrics/job/php/step/delete"))
long_text = "".join(f'batch_job_path{{path="{number}{"/long" * 200}"}} {number}\n' for number in range(1100))
step("PromPHP, more than a megabyte", php.request("PUT", "/metrics/job/php/step/long", long_text))
step("PromPHP, refused", php.request("PUT", "/metrics/job/php/step/refused", WITH_TIMESTAMP))
