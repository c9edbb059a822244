#!/usr/bin/env python3
"""bench/peer_torch.py - the figures of bench_generate and bench_tune, by PyTorch, transformers and peft.

usage: peer_torch.py MODEL.gguf [repeats] [threads] [prompt|tune|all]
Prompt: 512 tokens, logits of the last position. Tuning: LoRA of rank 16 on all seven matrices, 4 sequences
of 512, AdamW, loss on every token. One figure a line: name, unit, median, least, most; for tuning also the
peak memory of a process of its own."""
import multiprocessing
import os
import resource
import statistics
import sys
import time

PROMPT, BATCH = 512, 4
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def figure(name, values, unit="tokens/s"):
    print(f"{name:<28} {unit} {statistics.median(values):9.1f} {min(values):9.1f} {max(values):9.1f}",
          flush=True)


def load(path, dtype, threads):
    import torch
    import transformers
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    options = {"gguf_file": os.path.basename(path), "dtype": getattr(torch, dtype)}
    if hasattr(transformers, "GgufConfig"):  # newer ones keep weights packed unless told: slower here
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    return torch, transformers.AutoModelForCausalLM.from_pretrained(os.path.dirname(path), **options)


def prompt(path, dtype, repeats, threads):
    torch, model = load(path, dtype, threads)
    model.eval()
    values = []
    for i in range(repeats + 1):
        tokens = torch.randint(20, model.config.vocab_size, (1, PROMPT))
        t = time.perf_counter()
        with torch.no_grad():
            model(tokens, logits_to_keep=1).logits.argmax()
        values.append(PROMPT / (time.perf_counter() - t))
    figure(f"prompt_{PROMPT}_{dtype}", values[1:])


def tune(path, dtype, repeats, threads):
    torch, model = load(path, dtype, threads)
    from peft import LoraConfig, get_peft_model
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=TARGETS, task_type="CAUSAL_LM"))
    model.train()
    adapter = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(adapter, lr=1e-4)
    values = []
    for i in range(repeats + 1):
        tokens = torch.randint(20, model.config.vocab_size, (BATCH, PROMPT))
        t = time.perf_counter()
        optimizer.zero_grad()
        model(tokens, labels=tokens).loss.backward()
        torch.nn.utils.clip_grad_norm_(adapter, 1.0)
        optimizer.step()
        values.append(BATCH * PROMPT / (time.perf_counter() - t))
    figure(f"tune_{dtype}", values[1:])
    figure(f"tune_{dtype}_memory", [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024], "MiB")


def main(path, repeats="3", threads="2", what="all"):
    context = multiprocessing.get_context("spawn")  # a process each: peak memory is its own
    jobs = [(prompt, d) for d in ("float32", "bfloat16") if what in ("prompt", "all")]
    jobs += [(tune, d) for d in ("float32", "bfloat16") if what in ("tune", "all")]
    for job, dtype in jobs:
        p = context.Process(target=job, args=(path, dtype, int(repeats), int(threads)))
        p.start()
        p.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
