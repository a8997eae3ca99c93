#!/usr/bin/env python3
"""Has a real Prometheus scrape a run's metrics, and promtool check them: scrape.py ADDRESS RULES

Waits until Prometheus has seen steps go on, and asks it for what the run's metrics and the rules' alerts say.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

address, rules = sys.argv[1], os.path.abspath(sys.argv[2])


def text(accept):
    request = urllib.request.Request(f"http://{address}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


kind, plain = text("text/plain")
assert kind == "text/plain; version=0.0.4; charset=utf-8", kind
lint = subprocess.run(["promtool", "check", "metrics"], input=plain, text=True, capture_output=True)
assert lint.returncode == 0, f"promtool: {lint.stdout}{lint.stderr}"
kind, openText = text("application/openmetrics-text; version=1.0.0, text/plain;q=0.5")
assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8" and openText.endswith("# EOF\n"), kind

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
folder = tempfile.mkdtemp()
with open(f"{folder}/prometheus.yml", "w") as file:
    file.write(f"""
global: {{scrape_interval: 3s, evaluation_interval: 3s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: lockstep
    static_configs: [{{targets: ["{address}"]}}]
""")
server = subprocess.Popen(
    ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
     f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def query(expression):
    url = f"http://127.0.0.1:{port}/api/v1/query?query=" + urllib.parse.quote(expression)
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]["result"]


def wait(expression, condition):
    end = time.monotonic() + 100
    found = None
    while time.monotonic() < end:
        try:
            found = query(expression)
            if condition(found):
                return found
        except OSError:
            pass
        time.sleep(0.25)
    sys.exit(f"Prometheus says of {expression}: {found}")


try:
    wait("increase(lockstep_steps_total[60s])", lambda found: found and float(found[0]["value"][1]) > 0)
    wait("up{job='lockstep'} == 1", bool)
    assert float(query("histogram_quantile(0.5, rate(lockstep_step_duration_seconds_bucket[60s]))")[0]["value"][1]) > 0
    assert {one["metric"]["phase"] for one in query("lockstep_step_phase_seconds_total")} == {
        "compute", "wait", "sum_update", "transfer"}
    assert float(query("sum(lockstep_workers)")[0]["value"][1]) == 2
    assert float(query("lockstep_train_loss")[0]["value"][1]) > 0
    info = query("lockstep_run_info")[0]["metric"]
    assert info["optimizer"] == "adam" and info["data"] == "digits", info
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/rules", timeout=10) as answer:
        groups = json.load(answer)["data"]["groups"]
    names = {rule["name"]: rule for group in groups for rule in group["rules"]}
    bad = {name for name, rule in names.items() if rule["health"] == "err" or rule.get("state") == "firing"}
    assert len(names) >= 7 and not bad, f"rules in error or firing: {bad}"
    print(f"ok: {len(plain.splitlines())} lines, {len(names)} rules")
finally:
    server.terminate()
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)
