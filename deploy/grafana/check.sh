#!/usr/bin/env bash
# Checks the files of this folder against a coordinator's metrics, without a Grafana and without a running Prometheus.
#
#   curl -s http://127.0.0.1:9464/metrics > metrics.txt
#   deploy/grafana/check.sh metrics.txt
#
# The run should have a validation part and a test part, a worker and a checkpoint, so that it has all metrics.
# Needs promtool, which is in Debian's package `prometheus`, and Python 3. Ends with 1, and says why, where something is
# wrong.
set -euo pipefail

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

[ $# -eq 1 ] || fail "give one file: what a coordinator answers at /metrics"
[ -r "$1" ] || fail "$1 cannot be read"
command -v promtool >/dev/null || fail "no promtool: it is in Debian's package prometheus (apt-get install prometheus)"
metrics=$(realpath "$1")
cd "$(dirname "$0")"

rules=$(mktemp --suffix=.yml)
trap 'rm -f "$rules"' EXIT

promtool check rules alerts.yml
promtool test rules alerts_test.yml
promtool check config prometheus.yml

# The names of metrics; and the dashboard's expressions as rules in $rules, which promtool then parses.
python3 - "$metrics" "$rules" <<'END'
import collections
import json
import re
import sys

mistakes = []

# Names with the labels they have, from the samples; names without samples, from the lines of types.
labels = collections.defaultdict(set)
suffixes = {"histogram": ["_bucket", "_sum", "_count"], "counter": ["_total"]}
for number, line in enumerate(open(sys.argv[1], encoding="utf-8"), 1):
    if typed := re.fullmatch(r"# TYPE (\S+) (\S+)\s*", line):
        name, kind = typed.groups()
        # A counter's line has the whole name in Prometheus' format, and the name without _total in OpenMetrics.
        wanted = [""] if name.endswith("_total") else suffixes.get(kind, [""])
        for suffix in wanted:
            labels[name + suffix]
    elif line.strip() and not line.startswith("#"):
        sample = re.match(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})?\s", line)
        if not sample:
            sys.exit(f"error: {sys.argv[1]}, line {number} is no sample: {line.strip()}")
        labels[sample[1]].update(re.findall(r'([a-zA-Z_]\w*)="(?:[^"\\]|\\.)*"', sample[2] or ""))
if not labels:
    sys.exit(f"error: {sys.argv[1]} has no metrics")
# What Prometheus adds to each.
scraped = {"__name__", "job", "instance"}

WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
GROUPING = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
MATCHER = r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"'


def check(where, expression):
    """Holds each selector of the expression against the metrics: its name, and the labels that it matches."""
    selectors = re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*\{((?:[^\"{}]|\"(?:[^\"\\]|\\.)*\")*)\}", expression)
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    plain = re.sub(GROUPING, " ", plain)
    plain = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", plain)
    names = set(re.findall(r"(?<![\w.])[a-zA-Z_:][\w:]*(?!\w|\s*\()", plain))
    names = {name for name in names if name.lower() not in WORDS}
    for name in sorted(names):
        if name not in labels:
            mistakes.append(f"{where}: there is no metric {name}")
    found = bool(names)
    for name, text in selectors:
        matchers = re.findall(MATCHER, text)
        chosen = {name} & set(labels) if name else set(labels)
        for label, operator, value in matchers:
            if label == "__name__":
                test = {"=": lambda n: n == value, "!=": lambda n: n != value,
                        "=~": lambda n: re.fullmatch(value, n), "!~": lambda n: not re.fullmatch(value, n)}[operator]
                chosen = set(filter(test, chosen))
        if not name and not chosen:
            mistakes.append(f"{where}: no metric fits {{{text}}}")
        found = found or bool(chosen)
        for label, _, _ in matchers:
            if chosen and label not in scraped.union(*(labels[each] for each in chosen)):
                mistakes.append(f"{where}: {name or 'the metrics of ' + text} has no label {label}")
    if not found:
        mistakes.append(f"{where}: the expression has no metric")


# The dashboard.
dashboard = json.load(open("dashboard.json", encoding="utf-8"))
flat = []
for panel in dashboard["panels"]:
    flat += [panel, *panel.get("panels", [])]
for identifier, count in collections.Counter(panel["id"] for panel in flat).items():
    if count > 1:
        mistakes.append(f"dashboard.json: {count} panels have the id {identifier}")
cells = {}
for panel in flat:
    place = panel["gridPos"]
    if place["x"] < 0 or place["x"] + place["w"] > 24:
        mistakes.append(f"dashboard.json, {panel['title']}: is wider than the page")
    for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])):
        other = cells.setdefault(cell, panel)
        if other is not panel:
            mistakes.append(f"dashboard.json: {panel['title']} covers {other['title']}")
            break
known = {f"${{{variable['name']}}}" for variable in dashboard["templating"]["list"] if variable["type"] == "datasource"}


def sources(value):
    if isinstance(value, dict):
        if isinstance(value.get("datasource"), dict) and value["datasource"].get("type") == "prometheus":
            yield value["datasource"].get("uid")
        for each in value.values():
            yield from sources(each)
    elif isinstance(value, list):
        for each in value:
            yield from sources(each)


for uid in sorted(set(sources(dashboard)) - known):
    mistakes.append(f"dashboard.json: the data source {uid} is none of the dashboard's variables")
expressions = []
for variable in dashboard["templating"]["list"]:
    if variable["type"] == "query":
        query = re.fullmatch(r"label_values\((.+),\s*(\w+)\)", variable["query"]["query"])
        if not query:
            mistakes.append(f"dashboard.json, variable {variable['name']}: is no label_values(metric, label)")
            continue
        if variable["definition"] != query[0]:
            mistakes.append(f"dashboard.json, variable {variable['name']}: definition and query differ")
        check(f"dashboard.json, variable {variable['name']}", query[1])
        if query[2] not in scraped | labels.get(query[1], set()):
            mistakes.append(f"dashboard.json, variable {variable['name']}: {query[1]} has no label {query[2]}")
for panel in flat:
    if panel["type"] != "row":
        if not panel.get("description"):
            mistakes.append(f"dashboard.json, {panel['title']}: has no description")
        if "unit" not in panel["fieldConfig"]["defaults"]:
            mistakes.append(f"dashboard.json, {panel['title']}: has no unit")
    for target in panel.get("targets", []):
        # What Grafana puts in.
        expression = target["expr"].replace("$__rate_interval", "1m").replace("$run", "one")
        check(f"dashboard.json, {panel['title']}, {target['refId']}", expression)
        expressions.append((panel["id"], target["refId"], expression))
if not expressions:
    mistakes.append("dashboard.json: has no expressions")
with open(sys.argv[2], "w", encoding="utf-8") as file:
    rules = [{"record": f"panel_{panel}_{query}", "expr": expression} for panel, query, expression in expressions]
    # JSON is YAML.
    json.dump({"groups": [{"name": "dashboard.json", "rules": rules}]}, file, indent=1)

# The alerts: `expr:` with an expression on its line, or `expr: |` with it on the deeper lines below.
name, alerts, lines = None, collections.Counter(), open("alerts.yml", encoding="utf-8").read().split("\n")
for number, line in enumerate(lines):
    if begun := re.match(r"\s*- alert: (\w+)$", line):
        name = begun[1]
    elif begun := re.match(r"(\s*)expr: (.*)$", line):
        expression = begun[2]
        if expression == "|":
            deeper = len(begun[1]) + 1
            below = lines[number + 1:]
            end = next((i for i, each in enumerate(below) if each.strip() and len(each) - len(each.lstrip()) < deeper), len(below))
            expression = "\n".join(below[:end])
        check(f"alerts.yml, {name}", expression)
        alerts[name] += 1
if sum(alerts.values()) != len(re.findall(r"- (?:alert|record):", "\n".join(lines))) or not alerts:
    mistakes.append("alerts.yml: not every rule has an expression that this script can read")

# Each alert has a test in which it fires, and one in which it does not.
tests = open("alerts_test.yml", encoding="utf-8").read()
for alert in alerts:
    outcomes = re.findall(rf"alertname: {alert}\n\s*exp_alerts:( \[\])?", tests)
    if "" not in outcomes:
        mistakes.append(f"alerts_test.yml: {alert} fires in no test")
    if " []" not in outcomes:
        mistakes.append(f"alerts_test.yml: there is no test in which {alert} does not fire")

for mistake in mistakes:
    print(f"error: {mistake}", file=sys.stderr)
if mistakes:
    sys.exit(1)
print(f"{len(expressions)} expressions of dashboard.json and {sum(alerts.values())} of alerts.yml name metrics that there are")
END

promtool check rules "$rules" | sed "s|$rules|the expressions of dashboard.json|"
