#!/usr/bin/env python3
"""Loads what `cmat export` writes in llama-cpp-python, transformers and peft and compares their logits with
each other's: the merged GGUF, GGUF + GGUF LoRA, the merged folder, the folder + PEFT adapter.

usage: check_exports.py CMAT MODEL.gguf ADAPTER_DIR

What is not installed is skipped. Exit 1 when a mean KL divergence is above its bound."""
import importlib.util
import os
import subprocess
import sys
import tempfile

import numpy as np

TEXT = ("The harbour was quiet that morning; two boats had come in. SELECT name, COUNT(*) FROM orders GROUP BY name;\n"
        "Question: How many orders were cancelled in May?\n\n  Answer: 17 of 230, it's 7.4 %. Wir gehen heute.")


def have(name):
    found = importlib.util.find_spec(name) is not None
    if not found:
        print(f"skipped: {name} is not installed")
    return found


def log_softmax(x):
    x = np.asarray(x, dtype=np.float64)
    x = x - x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def llama_cpp_logits(path, lora=None):
    import llama_cpp
    m = llama_cpp.Llama(path, n_ctx=256, logits_all=True, verbose=False, n_threads=2, lora_path=lora)
    tokens = m.tokenize(TEXT.encode(), add_bos=False, special=False)
    m.eval(tokens)
    return tokens, log_softmax(m.scores[:len(tokens)])


def torch_logits(model, tokens):
    import torch
    with torch.no_grad():
        return log_softmax(model(torch.tensor([tokens])).logits[0].float().numpy())


def main(cmat, model, adapter):
    failed = 0

    def export(*args):
        subprocess.run([cmat, "export", "--quiet", "--model", model, *args], check=True)
        return args[-1]

    def compare(what, p, q, bound):
        nonlocal failed
        kl = float((np.exp(p) * (p - q)).sum(1).mean())
        failed += not kl <= bound
        print(f"{what:58} mean KL {kl:.2e} (bound {bound:g}), largest difference {np.abs(p - q).max():.2e}, "
              f"same token {100 * (p.argmax(1) == q.argmax(1)).mean():.1f} %{'' if kl <= bound else '  FAILED'}")

    with tempfile.TemporaryDirectory() as d:
        p = reference = tokens = None
        if have("llama_cpp"):
            tokens, reference = llama_cpp_logits(export("--type", "F32", adapter, f"{d}/f32.gguf"))
            for t, bound in (("F16", 1e-3), ("BF16", 1e-2), ("Q8_0", 5e-2), ("Q6_K", 0.1), ("Q4_K_M", 1), ("Q4_0", 2)):
                _, q = llama_cpp_logits(export("--type", t, adapter, f"{d}/{t}.gguf"))
                compare(f"llama.cpp, merged {t} GGUF", reference, q, bound)
                os.unlink(f"{d}/{t}.gguf")
            _, q = llama_cpp_logits(model, export(adapter, f"{d}/lora.gguf"))
            compare("llama.cpp, base and GGUF LoRA", reference, q, 5e-2)
            os.unlink(f"{d}/f32.gguf")
        if have("torch") and have("transformers"):
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
            folder = export("--format", "safetensors", "--type", "F32", adapter, f"{d}/merged")
            ids = AutoTokenizer.from_pretrained(folder)(TEXT, add_special_tokens=False)["input_ids"]
            if tokens is not None:
                failed += ids != tokens
                print("tokenizer.json gives llama.cpp's tokens:", "yes" if ids == tokens else "no  FAILED")
            p = torch_logits(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), ids)
            if reference is not None:
                compare("transformers, merged F32 folder; llama.cpp F32 GGUF", reference, p, 1e-4)
            q = torch_logits(AutoModelForCausalLM.from_pretrained(
                export("--format", "safetensors", adapter, f"{d}/f16")).float().eval(), ids)
            compare("transformers, merged F16 folder", p, q, 1e-3)
            if have("peft"):
                from peft import PeftModel
                base = AutoModelForCausalLM.from_pretrained(
                    export("--format", "safetensors", "--type", "F32", f"{d}/base"), dtype=torch.float32)
                for f, bound in (("peft", 1e-5), ("peft-f16", 1e-4)):
                    tuned = PeftModel.from_pretrained(base, export("--format", f, adapter, f"{d}/{f}")).eval()
                    compare(f"peft on the F32 folder, {f}", p, torch_logits(tuned, ids), bound)
                    base = tuned.unload()
    print("all exports agree" if not failed else f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
