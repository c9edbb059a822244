#!/usr/bin/env python3
"""Makes logits_smollm2.json: what transformers (float32) computes from the same GGUF file.

usage: make_logits.py MODEL.gguf OUT.json

For a few token sequences: per position the 64 largest logits with their ids, and the log-probability of the
token that really comes next. transformers dequantises the file itself (and undoes the row order
that GGUF gives to Q and K), so that nothing of ours is in these figures."""
import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM

TEXTS = [  # as token ids of the file's own tokenizer; written by cmat's tokenizer test or by hand
    [1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411, 407, 19712,
     8182, 2, 198, 1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 47, 2, 198, 1, 520, 9531, 198],
    [504, 2365, 6354, 16438, 14371, 690, 260, 23790, 3643, 30],
    [0],
]


def main(path, out):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(os.path.dirname(path), gguf_file=os.path.basename(path),
                                                 dtype=torch.float32)
    model.eval()
    sequences = TEXTS + [torch.randint(0, model.config.vocab_size, (40,)).tolist()]
    result = []
    for tokens in sequences:
        with torch.no_grad():
            logits = model(torch.tensor([tokens])).logits[0].float()
        logprobs = torch.log_softmax(logits.double(), -1)
        values, ids = logits.topk(64)
        result.append({
            "tokens": tokens,
            "ids": ids.tolist(),
            "logits": [[float(f"{x:.7g}") for x in row] for row in values.tolist()],
            "norm": [float(f"{x:.7g}") for x in logits.norm(dim=-1).tolist()],
            "logprobs": [float(f"{logprobs[i, t]:.7g}") for i, t in enumerate(tokens[1:])],
        })
    with open(out, "w") as f:
        json.dump({"model": os.path.basename(path), "sequences": result}, f, separators=(",", ":"))
        f.write("\n")


main(*sys.argv[1:])
