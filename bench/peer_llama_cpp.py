#!/usr/bin/env python3
"""bench/peer_llama_cpp.py - the figures of bench_generate, by llama.cpp (through llama-cpp-python).

usage: peer_llama_cpp.py MODEL.gguf [repeats] [threads] [prompt|all]
One figure a line: name, unit, median, least, most."""
import ctypes
import random
import statistics
import sys
import time

import llama_cpp as lc

PROMPT, LONG_PROMPT, PREFIX, NEW = 512, 2048, 256, 64
silent = lc.llama_log_callback(lambda level, text, data: None)  # must outlive the calls


def make_context(model, n_threads, n_seqs):
    p = lc.llama_context_default_params()
    p.n_ctx = 2048 * 4
    p.n_batch, p.n_ubatch = LONG_PROMPT, PROMPT  # llama.cpp's own defaults
    p.n_seq_max = n_seqs
    p.n_threads = p.n_threads_batch = n_threads
    if hasattr(p, "kv_unified"):
        p.kv_unified = True
    if hasattr(p, "n_outputs_max"):
        p.n_outputs_max = PROMPT
    return lc.llama_init_from_model(model, p)


def decode(ctx, batch, rows):
    """rows: (token, position, sequence, wants logits)"""
    for i, (token, pos, seq, logits) in enumerate(rows):
        batch.token[i] = token
        batch.pos[i] = pos
        batch.n_seq_id[i] = 1
        batch.seq_id[i][0] = seq
        batch.logits[i] = logits
    batch.n_tokens = len(rows)
    if lc.llama_decode(ctx, batch) != 0:
        raise RuntimeError("llama_decode failed")


def argmax(ctx, i, n_vocab, vocab_range):
    logits = lc.llama_get_logits_ith(ctx, i)
    best = 0
    array = (ctypes.c_float * n_vocab).from_address(ctypes.addressof(logits.contents))
    try:
        import numpy
        best = int(numpy.frombuffer(array, dtype=numpy.float32).argmax())
    except ImportError:
        best = max(vocab_range, key=array.__getitem__)
    return best


def main(path, repeats=5, threads=2, what="all"):
    lc.llama_backend_init()
    lc.llama_log_set(silent, ctypes.c_void_p(0))
    model = lc.llama_model_load_from_file(path.encode(), lc.llama_model_default_params())
    if not model:
        sys.exit(f"peer_llama_cpp.py: cannot load {path}")
    n_vocab = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(model))
    ctx = make_context(model, threads, 33)
    memory = lc.llama_get_memory(ctx)
    batch = lc.llama_batch_init(LONG_PROMPT, 0, 1)
    rng = random.Random(1)

    def tokens(n):
        return [rng.randrange(20, n_vocab) for _ in range(n)]

    def prompt(n):
        lc.llama_memory_clear(memory, True)
        t = time.perf_counter()
        decode(ctx, batch, [(x, i, 0, i == n - 1) for i, x in enumerate(tokens(n))])
        argmax(ctx, n - 1, n_vocab, range(n_vocab))
        return n / (time.perf_counter() - t)

    def generate(n):
        lc.llama_memory_clear(memory, True)
        decode(ctx, batch, [(x, i, 0, False) for i, x in enumerate(tokens(PREFIX))])
        for s in range(1, n):
            lc.llama_memory_seq_cp(memory, 0, s, -1, -1)
        decode(ctx, batch, [(x, PREFIX + i, s, i == 7) for s in range(n) for i, x in enumerate(tokens(8))])
        last = [argmax(ctx, 8 * s + 7, n_vocab, range(n_vocab)) for s in range(n)]
        t = time.perf_counter()
        for k in range(NEW - 1):
            decode(ctx, batch, [(last[s], PREFIX + 8 + k, s, True) for s in range(n)])
            last = [argmax(ctx, s, n_vocab, range(n_vocab)) for s in range(n)]
        return n * (NEW - 1) / (time.perf_counter() - t)

    def figure(name, f):
        v = [f() for _ in range(repeats)]
        print(f"{name:<28} tokens/s {statistics.median(v):9.1f} {min(v):9.1f} {max(v):9.1f}", flush=True)

    prompt(PROMPT)
    for n in (PROMPT, LONG_PROMPT):
        figure(f"prompt_{n}", lambda: prompt(n))
    for n in (1, 16, 32) if what == "all" else ():
        figure(f"decode_{n}", lambda: generate(n))


if __name__ == "__main__":
    main(sys.argv[1], *(int(a) for a in sys.argv[2:4]), *sys.argv[4:5])
