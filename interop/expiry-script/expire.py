#!/usr/bin/env python3
"""Deletes the groups that nobody has pushed to for some time, and those whose last push has failed.

usage: expire.py PUSHGATEWAY_URL MAX_AGE_SECONDS
"""

import base64
import json
import os
import sys
import time
from urllib.parse import quote
from urllib.request import Request, urlopen


def group_url(gateway, labels):
    """The URL of a group; base64 where a plain path could not say it."""
    parts = []
    for name in sorted(labels, key=lambda name: (name != "job", name)):
        value = labels[name]
        if value == "" or "/" in value:
            encoded = base64.urlsafe_b64encode(value.encode()).decode() or "="
            parts += [f"{name}@base64", encoded]
        else:
            parts += [name, quote(value)]
    return f"{gateway}/metrics/" + "/".join(parts)


def main():
    gateway, max_age = sys.argv[1], float(sys.argv[2])
    now = float(os.environ.get("NOW", time.time()))
    with urlopen(f"{gateway}/api/v1/metrics", timeout=60) as response:
        answer = json.load(response)
    assert answer["status"] == "success", answer
    urls = []
    for group in answer["data"]:
        pushed = float(group["push_time_seconds"]["metrics"][0]["value"])
        failed = float(group["push_failure_time_seconds"]["metrics"][0]["value"])
        if now - pushed > max_age or failed > pushed or not group["last_push_successful"]:
            urls.append(group_url(gateway, group["labels"]))
    for url in sorted(urls):
        with urlopen(Request(url, method="DELETE"), timeout=60) as response:
            print(f"deleted {url}: {response.status}")


main()
