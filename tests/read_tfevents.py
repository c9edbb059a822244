#!/usr/bin/env python3
"""Compares TensorBoard's event files of a run folder with its metrics.jsonl (pip install tensorboard).

    cmat tune --out runs/mine --tensorboard chats.jsonl
    read_tfevents.py runs/mine"""
import json
import os
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run = sys.argv[1]
events = EventAccumulator(run)
events.Reload()
tags = {"loss": "train/loss", "learning_rate": "train/learning_rate", "grad_norm": "train/grad_norm",
        "eval_loss": "eval/loss"}
seen = {tag: {e.step: e.value for e in events.Scalars(tag)} for tag in events.Tags()["scalars"]}
n = 0
for line in open(os.path.join(run, "metrics.jsonl")):
    row = json.loads(line)
    for key, tag in tags.items():
        if key in row:
            got = seen[tag].pop(row["step"])
            assert abs(got - row[key]) <= 1e-6 * abs(row[key]) + 1e-12, (tag, row["step"], got, row[key])
            n += 1
left = {tag: steps for tag, steps in seen.items() if steps and tag in tags.values()}
assert not left, left
print(f"{n} values agree")
