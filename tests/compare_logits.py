#!/usr/bin/env python3
"""Compares log-probabilities and best tokens with transformers (float32) on a longer text.

usage: compare_logits.py MODEL.gguf TEXT [N_TOKENS] [PROGRAM ...]

PROGRAM (default: build/bench/bench_logits) is called as `PROGRAM MODEL.gguf TOKENS.txt` and prints for each
position "best_token log_probability_of_the_token_there". Prints the share of positions with the same best
token, and how far the log-probabilities are apart. Exit 1 when fewer than 99 % agree."""
import os
import subprocess
import sys
import tempfile

import torch
from transformers import AutoModelForCausalLM

WINDOW = 1024


def main(path, text, n_tokens=4096, *program):
    program = list(program) or ["build/bench/bench_logits"]
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "ours.txt")
        with open(out, "w") as f:
            subprocess.run(program + [path, text, str(n_tokens), str(WINDOW)], stdout=f, check=True)
        ours = [line.split() for line in open(out)]
    tokens = [int(t) for t, _, _ in ours]
    best = torch.tensor([int(b) for _, b, _ in ours])
    logprobs = torch.tensor([float(p) for _, _, p in ours], dtype=torch.float64)
    model = AutoModelForCausalLM.from_pretrained(os.path.dirname(path), gguf_file=os.path.basename(path),
                                                 dtype=torch.float32).eval()
    same = total = close = 0
    worst = sum_ours = sum_ref = 0.0
    for at in range(0, len(tokens), WINDOW):
        part = torch.tensor(tokens[at:at + WINDOW])
        with torch.no_grad():
            logits = model(part[None]).logits[0].double()
        ref = torch.log_softmax(logits, -1)
        want = ref[:-1].gather(1, part[1:, None])[:, 0]
        got = logprobs[at + 1:at + len(part)]
        same += (logits.argmax(-1) == best[at:at + len(part)]).sum().item()
        total += len(part)
        close += (want - got).abs().sum().item()
        worst = max(worst, (want - got).abs().max().item())
        sum_ours += got.sum().item()
        sum_ref += want.sum().item()
    print(f"positions {total}  same best token {100 * same / total:.3f} %")
    print(f"log-probabilities: mean difference {close / total:.2e}, worst {worst:.2e}; "
          f"mean ours {sum_ours / total:.6f}, reference {sum_ref / total:.6f}")
    return 0 if same >= 0.99 * total else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], *(int(a) for a in sys.argv[3:4]), *sys.argv[4:]))
