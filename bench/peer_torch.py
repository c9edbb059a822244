#!/usr/bin/env python3
"""bench/peer_torch.py - the figures of bench_generate, bench_tune and bench_samples, by PyTorch, transformers and peft.

usage: peer_torch.py MODEL.gguf [repeats] [threads] [prompt|tune|full|samples|all] [TOKENS.jsonl]
prompt: 512 and 2,048 tokens, logits of the last position. tune: LoRA of rank 16 on all seven matrices, 4 sequences
of 512, AdamW, loss on every token. full: the same with all weights tuned. samples: LoRA on the tokenised samples
that bench_samples wrote, sorted by length (what transformers' group_by_length comes to), 4 to a batch, padded to
the longest, labels -100 where there is no loss; padding does not count as tokens. One figure a line: name, unit,
median, least, most; for tuning also the peak memory of a process of its own. MODEL may be a folder as Hugging Face
lays it out. In the environment: DEVICE=cuda (the peak is then the device's), BATCH=N sequences at once."""
import json
import multiprocessing
import os
import resource
import statistics
import sys
import time

PROMPTS, LENGTH, BATCH = (512, 2048), 512, int(os.environ.get("BATCH", 4))
DEVICE = os.environ.get("DEVICE", "cpu")
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
    options = {"dtype": getattr(torch, dtype)}
    if os.path.isdir(path):
        return torch, transformers.AutoModelForCausalLM.from_pretrained(path, **options).to(DEVICE)
    options["gguf_file"] = os.path.basename(path)
    if hasattr(transformers, "GgufConfig"):  # newer ones keep weights packed unless told: slower here
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    return torch, transformers.AutoModelForCausalLM.from_pretrained(os.path.dirname(path), **options).to(DEVICE)


def prompt(path, dtype, repeats, threads):
    torch, model = load(path, dtype, threads)
    model.eval()
    for n in PROMPTS:
        values = []
        for i in range(repeats + 1):
            tokens = torch.randint(20, model.config.vocab_size, (1, n))
            t = time.perf_counter()
            with torch.no_grad():
                model(tokens, logits_to_keep=1).logits.argmax()
            values.append(n / (time.perf_counter() - t))
        figure(f"prompt_{n}_{dtype}", values[1:])


def trainer(path, dtype, threads, lora):
    """torch, the model, and a function that takes one step and returns its seconds"""
    torch, model = load(path, dtype, threads)
    if lora:
        from peft import LoraConfig, get_peft_model
        model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=TARGETS, task_type="CAUSAL_LM"))
    model.train()
    params = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(params, lr=1e-4)

    def step(**batch):
        t = time.perf_counter()
        optimizer.zero_grad()
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        if DEVICE != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - t
    return torch, model, step


def peak(name):
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if DEVICE != "cpu":
        import torch
        mib = torch.cuda.max_memory_reserved() / 2**20
    figure(f"{name}_memory", [mib], "MiB")


def tune(path, dtype, repeats, threads, lora=True):
    torch, model, step = trainer(path, dtype, threads, lora)
    name = f"tune_{dtype}" if lora else f"tune_full_{dtype}"
    values = []
    for i in range(repeats + 1):
        tokens = torch.randint(20, model.config.vocab_size, (BATCH, LENGTH), device=DEVICE)
        values.append(BATCH * LENGTH / step(input_ids=tokens, labels=tokens))
    figure(name, values[1:])
    peak(name)


def full(path, dtype, repeats, threads):
    tune(path, dtype, repeats, threads, lora=False)


def samples(path, dtype, repeats, threads, file):
    torch, model, step = trainer(path, dtype, threads, True)
    with open(file) as f:
        rows = sorted((json.loads(line) for line in f), key=lambda r: len(r["tokens"]))
    batches = []
    for at in range(0, len(rows), BATCH):
        part = rows[at:at + BATCH]
        shape = (len(part), len(part[-1]["tokens"]))
        ids, mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
        labels = torch.full(shape, -100)
        for i, r in enumerate(part):
            tokens, n = torch.tensor(r["tokens"]), len(r["tokens"])
            ids[i, :n], mask[i, :n] = tokens, 1
            labels[i, :n] = torch.where(torch.tensor(r["weights"]) > 0, tokens, -100)
        batches.append({"input_ids": ids, "attention_mask": mask, "labels": labels})
    n_tokens = sum(len(r["tokens"]) for r in rows)
    step(**batches[0])
    figure(f"tune_samples_{dtype}", [n_tokens / sum(step(**b) for b in batches) for _ in range(repeats)])
    peak(f"tune_samples_{dtype}")


def main(path, repeats="3", threads="2", what="all", *files):
    context = multiprocessing.get_context("spawn")  # a process each: peak memory is its own
    both = ("float32", "bfloat16")
    jobs = [(prompt, d) for d in both if what in ("prompt", "all")]
    jobs += [(tune, d) for d in both if what in ("tune", "all")]
    jobs += [(full, "bfloat16")] if what in ("full", "all") else []
    jobs += [(samples, "bfloat16")] if what == "samples" else []
    for job, dtype in jobs:
        p = context.Process(target=job, args=(path, dtype, int(repeats), int(threads), *files))
        p.start()
        p.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
