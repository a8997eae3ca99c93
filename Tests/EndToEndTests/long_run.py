#!/usr/bin/env python3
"""Writes the folder of a run of a million steps, as the program writes it: long_run.py FOLDER"""

import json
import math
import os
import sys
import time

folder = sys.argv[1]


def text(line):
    return json.dumps(line, separators=(",", ":"))


os.makedirs(folder)
with open(f"{folder}/job.yaml", "w") as file:
    file.write("data: digits\nmodel: mlp:256,128\n")
last, steps_per_epoch = 1_000_000, 1000
now = time.time()
lines = 0
with open(f"{folder}/metrics.jsonl", "w") as file:
    step = 0
    while step < last:
        span = 1 if step < 8192 else 1 << ((step // 8192).bit_length())
        first, step = step + 1, min((step // span + 1) * span, (step // steps_per_epoch + 1) * steps_per_epoch)
        loss = 2 / math.sqrt(step) + 0.01 * math.sin(step)
        line = {"event": "step" if first == step else "steps", "step": step, "epoch": first // steps_per_epoch + 1,
                "examples": 128 * (step - first + 1), "loss": loss, "train_accuracy": 1 - loss / 4,
                "time": now + step / 1000, "learning_rate": 0.001, "seconds": 0.001 * (step - first + 1),
                "compute_seconds": 0.0005, "sum_update_seconds": 0.0001, "send_seconds": 0.00001}
        if first < step:
            line |= {"first": first, "loss_min": loss * 0.9, "loss_max": loss * 1.1, "loss_digest": "0123456789abcdef",
                     "skipped": 0}
        file.write(text(line) + "\n")
        lines += 1
        if step % steps_per_epoch == 0:
            epoch = step // steps_per_epoch
            file.write(text({"event": "evaluation", "step": step, "epoch": epoch, "examples": 359,
                                   "test_loss": loss, "test_accuracy": 0.9, "seconds": 0.01}) + "\n")
            file.write(text({"event": "epoch", "step": step, "epoch": epoch,
                                   "parameters_sha256": f"{epoch:064x}"}) + "\n")
with open(f"{folder}/summary.json", "w") as file:
    json.dump({"status": "completed", "workers": 2, "threads": 1, "steps": last, "skipped_steps": 0, "epochs": 1000,
               "examples_seen": 128 * last, "parameter_count": 50826, "parameters_sha256": "0" * 64, "seconds": 1000.0,
               "step_time": {"total": 1000, "compute": 500, "wait": 300, "sum_update": 190, "transfer": 10},
               "train_loss": 0.002, "test_loss": 0.002, "test_accuracy": 0.9}, file)
print(f"ok: {lines} lines of steps")
