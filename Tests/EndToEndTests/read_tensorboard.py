#!/usr/bin/env python3
"""Reads a run's event files with the tensorboard package, and holds them against metrics.jsonl: read_tensorboard.py FOLDER [HISTOGRAM_STEPS]"""

import json
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

folder = sys.argv[1]
every = int(sys.argv[2]) if len(sys.argv) > 2 else 0
events = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0, "histograms": 0})
events.Reload()


def float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


expected = {}
for line in map(json.loads, open(f"{folder}/metrics.jsonl")):
    if line["event"] in ("step", "steps"):
        values = {"train/loss": line["loss"], "learning_rate": line["learning_rate"]}
        values |= {f"train/{key[6:]}": value for key, value in line.items() if key.startswith("train_")}
    elif line["event"] == "evaluation":
        part = "validation" if "validation_loss" in line else "test"
        values = {f"{part}/{key[len(part) + 1:]}": value for key, value in line.items() if key.startswith(part + "_")}
    else:
        continue
    for tag, value in values.items():
        expected.setdefault(tag, []).append((line["step"], float32(value), line["time"]))
for tag, points in expected.items():
    found = [(event.step, event.value, event.wall_time) for event in events.Scalars(tag)]
    assert found == points, f"{tag}: {found[:5]} … {len(found)}, in place of {points[:5]} … {len(points)}"
tags = events.Tags()
assert {"examples_per_second", "step_seconds/total", "step_seconds/sums_and_updates"} <= set(tags["scalars"]), tags

text = events.Tensors("job")[0].tensor_proto.string_val[0].decode()
assert open(f"{folder}/job.yaml").read().splitlines()[-1] in text, text


def hparams(tag):
    metadata = events.SummaryMetadata(tag)
    assert metadata.plugin_data.plugin_name == "hparams"
    return plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)


session = hparams("_hparams_/session_start_info").session_start_info
job = dict(line.split(": ", 1) for line in open(f"{folder}/job.yaml") if ": " in line and not line.startswith("#"))
assert session.hparams["learning-rate"].number_value == float(job["learning-rate"]), session
assert session.hparams["optimizer"].string_value == job["optimizer"].strip(), session
experiment = hparams("_hparams_/experiment").experiment
assert {info.name for info in experiment.hparam_infos} == set(session.hparams), experiment
named = {info.name.tag for info in experiment.metric_infos}
assert {tag for tag in expected if tag.endswith(("/loss", "/accuracy"))} <= named, named
assert hparams("_hparams_/session_end_info").session_end_info.status == 1

if every:
    last = expected["train/loss"][-1][0]
    names = [tag for tag in tags["histograms"]]
    assert any(tag.startswith("parameters/") for tag in names) and any(tag.startswith("gradients/") for tag in names)
    for tag in names:
        found = events.Histograms(tag)
        steps = [event.step for event in found]
        assert steps == list(range(every, last + 1, every)), f"{tag}: {steps}"
        for value in (event.histogram_value for event in found):
            assert sum(value.bucket) == value.num > 0 and value.min <= value.max, tag
            assert list(value.bucket_limit) == sorted(set(value.bucket_limit)), tag
print(f"ok: {sum(map(len, expected.values()))} values of {len(expected)} curves, {len(tags['histograms'])} histograms")
