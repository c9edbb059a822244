#!/usr/bin/env python3
"""bench/peer_kl.py - how far others' distributions are from the reference that bench_kl kept in a file.

usage: peer_kl.py REFERENCE llama|torch MODEL.gguf [threads]
llama: llama.cpp (through llama-cpp-python) on prompts, and decoding 1 and 16 sequences token by token. torch:
transformers in float32 on the dequantised weights, which shows what the reference is worth, and in bfloat16. Lines
as bench_kl's."""
import ctypes
import os
import sys

import numpy as np

PAGE = 4096


def read_reference(path):
    head = np.fromfile(path, dtype=np.int32, count=5)
    if head[:2].tobytes() != b"CMATLOG1":
        sys.exit(f"peer_kl.py: {path} is not bench_kl's")
    n, n_vocab, window = (int(x) for x in head[2:])
    tokens = np.fromfile(path, dtype=np.int32, count=n, offset=20)
    at = (20 + 4 * n + PAGE - 1) // PAGE * PAGE
    return tokens, window, np.memmap(path, dtype=np.float32, mode="r", offset=at, shape=(n, n_vocab))


class Distances:
    def __init__(self, ref):
        self.ref, self.kl, self.same = ref, [], 0

    def add(self, positions, logits):
        """logits (rows, V) at the reference's positions"""
        for at, ours in zip(positions, logits):
            ref, ours = self.ref[at].astype(np.float64), ours.astype(np.float64)
            self.same += ref.argmax() == ours.argmax()
            ref -= ref.max()
            ours = ours - ours.max()
            ref -= np.log(np.exp(ref).sum())
            ours -= np.log(np.exp(ours).sum())
            self.kl.append(float((np.exp(ref) * (ref - ours)).sum()))

    def show(self, name):
        n = len(self.kl)
        print(f"{name:<16} kl_mean {sum(self.kl) / n:.3e} kl_largest {max(self.kl):.3e} "
              f"same_best {self.same / n:.4f} positions {n}", flush=True)


def llama(path, threads, tokens, window, ref):
    import llama_cpp as lc
    silent = lc.llama_log_callback(lambda level, text, data: None)
    lc.llama_backend_init()
    lc.llama_log_set(silent, ctypes.c_void_p(0))
    model = lc.llama_model_load_from_file(path.encode(), lc.llama_model_default_params())
    if not model:
        sys.exit(f"peer_kl.py: cannot load {path}")
    n_vocab = ref.shape[1]
    for n in (0, 1, 16):  # 0: prompts
        p = lc.llama_context_default_params()
        p.n_ctx = window * max(n, 1)
        p.n_batch = p.n_ubatch = 512
        p.n_seq_max = max(n, 1)
        p.n_threads = p.n_threads_batch = threads
        if hasattr(p, "kv_unified"):
            p.kv_unified = True
        if hasattr(p, "n_outputs_max"):
            p.n_outputs_max = 512
        ctx = lc.llama_init_from_model(model, p)
        memory = lc.llama_get_memory(ctx)
        batch = lc.llama_batch_init(512, 0, 1)
        distances = Distances(ref)

        def decode(rows):
            """rows: (place in the reference, position, sequence)"""
            for i, (at, pos, seq) in enumerate(rows):
                batch.token[i], batch.pos[i], batch.n_seq_id[i] = int(tokens[at]), pos, 1
                batch.seq_id[i][0] = seq
                batch.logits[i] = True
            batch.n_tokens = len(rows)
            if lc.llama_decode(ctx, batch) != 0:
                raise RuntimeError("llama_decode failed")
            logits = np.ctypeslib.as_array(lc.llama_get_logits(ctx), shape=(len(rows), n_vocab))
            distances.add([at for at, _, _ in rows], logits)

        for first in range(0, len(tokens) // window - max(n, 1) + 1, max(n, 1)):
            lc.llama_memory_clear(memory, True)
            if n == 0:
                decode([(first * window + i, i, 0) for i in range(window)])
            for i in range(window if n else 0):
                decode([((first + s) * window + i, i, s) for s in range(n)])
        distances.show(f"decode_{n}" if n else "prompt")
        lc.llama_batch_free(batch)
        lc.llama_free(ctx)


def torch(path, threads, tokens, window, ref):
    from peer_torch import load
    for dtype in ("float32", "bfloat16"):
        torch, model = load(path, dtype, threads)
        model.eval()
        distances = Distances(ref)
        for at in range(0, len(tokens), window):
            part = torch.tensor(tokens[at:at + window].astype(np.int64))
            with torch.no_grad():
                logits = model(part[None]).logits[0].float().numpy()
            distances.add(range(at, at + window), logits)
        distances.show(f"torch_{dtype}")


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    {"llama": llama, "torch": torch}[sys.argv[2]](sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 2,
                                                  *read_reference(sys.argv[1]))
