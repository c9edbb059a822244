#!/usr/bin/env python3
"""Compares build/bench/bench_logits with transformers (float32, the weights of the same file) on a longer text.

usage: compare_logits.py MODEL.gguf TEXT [N_TOKENS [WINDOW]]

Prints the share of positions with the same best token, how far the log-probabilities are apart, and the mean KL
divergence; where llama_cpp is installed, the same for llama.cpp. Exit 1 when fewer than 99 % of the best tokens
agree."""
import importlib.util
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from transformers import AutoModelForCausalLM


def log_softmax(logits):
    return torch.log_softmax(torch.tensor(np.asarray(logits), dtype=torch.float64), -1)


def reference(path, windows):
    model = AutoModelForCausalLM.from_pretrained(os.path.dirname(os.path.abspath(path)), gguf_file=os.path.basename(path),
                                                 dtype=torch.float32).eval()
    with torch.no_grad():
        for w in windows:
            yield model(torch.tensor(w)[None]).logits[0]


def llama_cpp(path, windows):
    import llama_cpp
    n = max(map(len, windows))
    model = llama_cpp.Llama(path, n_ctx=n, n_batch=n, logits_all=True, verbose=False)
    for w in windows:
        model.reset()
        model.eval(w)
        yield model.scores[:len(w)].copy()


def compare(name, windows, got, want):
    n = same = 0
    kl = away = worst = nll = nll_want = 0.0
    for w, g, r in zip(windows, got, want):
        p, q, next_token = log_softmax(r), log_softmax(g), torch.tensor(w[1:])[:, None]
        n += len(w)
        same += (p.argmax(-1) == q.argmax(-1)).sum().item()
        kl += (p.exp() * (p - q)).sum().item()
        a, b = (x[:-1].gather(1, next_token) for x in (p, q))
        away += (a - b).abs().sum().item()
        worst = max(worst, (a - b).abs().max().item())
        nll_want -= a.sum().item()
        nll -= b.sum().item()
    print(f"{name}: positions {n}, same best token {100 * same / n:.2f} %, mean KL divergence {kl / n:.2e}, log-probabilities: "
          f"mean difference {away / n:.2e}, worst {worst:.2e}, loss {nll / n:.5f}, of the reference {nll_want / n:.5f}")
    return same / n


def main(path, text, n_tokens=4096, window=1024):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "logits")
        lines = subprocess.run(["build/bench/bench_logits", path, text, str(n_tokens), str(window), out], check=True,
                               capture_output=True, text=True).stdout.splitlines()
        tokens = [int(line.split()[0]) for line in lines]
        windows = [tokens[at:at + window] for at in range(0, len(tokens), window)]
        logits = np.memmap(out, dtype=np.float32, mode="r").reshape(len(tokens), -1)
        ours = [logits[at:at + window] for at in range(0, len(tokens), window)]
        want = list(reference(path, windows))
        same = compare("cmat", windows, ours, want)
        if importlib.util.find_spec("llama_cpp"):
            compare("llama.cpp", windows, llama_cpp(path, windows), want)
        return 0 if same >= 0.99 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], *(int(a) for a in sys.argv[3:])))
