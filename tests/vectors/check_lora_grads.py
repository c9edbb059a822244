#!/usr/bin/env python3
"""Compares our LoRA gradients with PyTorch's and our tuned adapter with PEFT, on a real model.

    build/tests/lora_vectors MODEL.gguf OUT
    check_lora_grads.py MODEL.gguf OUT

The base is what transformers reads from the same GGUF, widened to float32. Prints the largest relative
difference of a matrix's gradient (norm of the difference over norm) and of the logits, and fails above
1 %. Needs torch, transformers, peft, gguf, safetensors."""
import json
import os
import sys

import numpy as np
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

model_path, out = sys.argv[1:3]
torch.set_num_threads(2)
base = AutoModelForCausalLM.from_pretrained(
    os.path.dirname(os.path.abspath(model_path)), gguf_file=os.path.basename(model_path), dtype=torch.float32)
model = PeftModel.from_pretrained(base, os.path.join(out, "adapter"), is_trainable=True)
model.eval()  # no dropout

data = json.load(open(os.path.join(out, "samples.json")))
total = sum(sum(s["weights"][1:]) for s in data["samples"])
loss = 0.0
for i, s in enumerate(data["samples"]):
    tokens = torch.tensor([s["tokens"]])
    logits = model(tokens).logits[0]
    if i == 0:
        ours = np.fromfile(os.path.join(out, "logits.f32"), dtype=np.float32).reshape(logits.shape)
        theirs = logits.detach().numpy()
        logits_diff = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
        top1 = float((ours.argmax(1) == theirs.argmax(1)).mean())
    nll = torch.nn.functional.cross_entropy(logits[:-1], tokens[0, 1:], reduction="none")
    loss = loss + (nll * torch.tensor(s["weights"][1:])).sum() / total
loss.backward()

grads = load_file(os.path.join(out, "grads", "adapter_model.safetensors"))
worst, worst_name, n, diffs, d2, s2 = 0.0, "", 0, [], 0.0, 0.0
for name, p in model.named_parameters():
    if not p.requires_grad:
        continue
    key = name.replace(".default", "")
    ours = grads.pop(key)
    diff = float((ours - p.grad).norm() / p.grad.norm())
    d2 += float((ours - p.grad).norm()) ** 2
    s2 += float(p.grad.norm()) ** 2
    diffs.append(diff)
    n += 1
    if diff > worst:
        worst, worst_name = diff, key
loss = float(loss.detach())
loss_diff = abs(loss - data["loss"]) / loss
print(f"matrices {n}, left over {len(grads)}")
print(f"loss ours {data['loss']:.6f}, torch {loss:.6f}, relative difference {loss_diff:.2e}")
print(f"all gradients: relative difference {(d2 / s2) ** 0.5:.2e}; median of the matrices {np.median(diffs):.2e}")
print(f"largest relative gradient difference {worst:.2e} ({worst_name})")
print(f"logits with the adapter in peft: relative difference {logits_diff:.2e}, same top-1 {top1:.4f}")
ok = n > 0 and not grads and worst < 0.01 and logits_diff < 0.01 and loss_diff < 0.01
print("ok" if ok else "FAILED")
sys.exit(not ok)
