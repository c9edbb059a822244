#!/usr/bin/env python3
"""Converts small random models of every architecture with `cmat export` and compares what llama-cpp-python and
transformers make of the results with what transformers makes of the source: a sharded folder to GGUF in several
types, alone and with a LoRA adapter; that GGUF back to a folder.

usage: check_conversions.py CMAT [ARCHITECTURE ...]

Models and tokenizers are made by tests/vectors/make_arch.py and of tests/vectors/tokenizers.json. Needs torch,
transformers, peft, gguf, llama-cpp-python. Exit 1 when tokens differ or a mean KL divergence is above its bound."""
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "vectors"))
import make_arch  # noqa: E402

TEXT = ("The harbour was quiet that morning; two boats had come in. SELECT name, COUNT(*) FROM orders GROUP BY name;\n"
        "Question: How many orders were cancelled in May?\n\n  Answer: 17 of 230, it's 7.4 %. Wir gehen heute.")
# sizes that K types can hold; the other settings are make_arch.py's
SIZES = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=4, max_position_embeddings=512)
TOKENIZERS = {"llama": "llama3", "codellama": "llama2", "mistral": "mistral", "qwen": "qwen2", "qwen2": "qwen2",
              "qwen3": "qwen2", "gemma3": "gemma", "phi3": "phi3", "smollm3": "llama3"}
# the type's own error; bounds are those of random weights, in which nothing is redundant
TYPES = {"F32": 1e-5, "F16": 1e-4, "BF16": 1e-2, "Q8_0": 2e-2, "Q4_0": 2.0, "Q4_K_M": 2.0}


def log_softmax(x):
    x = np.asarray(x, dtype=np.float64)
    x = x - x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def torch_logits(model, tokens):
    with torch.no_grad():
        return log_softmax(model(torch.tensor([tokens]), use_cache=False).logits[0].float().numpy())


def llama_cpp_logits(path, text):
    import llama_cpp
    m = llama_cpp.Llama(path, n_ctx=256, logits_all=True, verbose=False, n_threads=2, type_k=0, type_v=0)
    tokens = m.tokenize(text.encode(), add_bos=False, special=False)
    m.eval(tokens)
    return tokens, log_softmax(m.scores[:len(tokens)])


def tokenizer_files(name):
    entries = json.load(open(os.path.join(HERE, "vectors", "tokenizers.json")))
    files = next(e["files"] for e in entries if e["name"] == name)
    t = json.loads(files["tokenizer.json"])
    ids = list(t["model"]["vocab"].values()) + [a["id"] for a in t["added_tokens"]]
    return files, max(ids) + 1


def make_source(name, n_vocab):
    """make_arch.py's model in other sizes, its rope scalings moved along."""
    make_arch.V, make_arch.COMMON = n_vocab, {**make_arch.COMMON, "vocab_size": n_vocab, **SIZES}
    cls, changes, gguf = make_arch.CASES[name]
    changes = json.loads(json.dumps(changes))
    d = changes.get("head_dim", 64)
    changes["head_dim"] = 64 if cls in ("Qwen3", "Gemma3") else d
    changes.pop("head_dim") if "head_dim" not in make_arch.CASES[name][1] else None
    changes.pop("num_hidden_layers", None)
    if cls == "Gemma3":
        changes.update(num_hidden_layers=7, query_pre_attn_scalar=64, sliding_window=16, layer_types=[
            "full_attention" if (i + 1) % 6 == 0 else "sliding_attention" for i in range(7)])
    if cls == "Mistral":
        changes["sliding_window"] = 4096
    if cls == "Phi3":
        changes.update(num_attention_heads=4, num_key_value_heads=2, sliding_window=None)
        n = int(64 * 0.75) // 2
        changes["original_max_position_embeddings"] = 256
        changes["rope_parameters"].update(original_max_position_embeddings=256,
                                          short_factor=[1 + i / 8 for i in range(n)],
                                          long_factor=[2 + i / 4 for i in range(n)])
    if "rope_parameters" in changes and "original_max_position_embeddings" in changes["rope_parameters"] \
            and cls != "Phi3":
        changes["rope_parameters"]["original_max_position_embeddings"] = 128
    make_arch.CASES[name] = (cls, changes, gguf)
    model, config = make_arch.make_model(name, 7)
    for key, p in model.named_parameters():  # wide matrices of make_arch's spread would drown everything
        if p.ndim == 2 and "embed" not in key:
            p.data = p.data * 0.4
        elif cls == "Gemma3" and "embed" in key:  # which it multiplies by 16: layers shall count
            p.data = p.data / 32
    with torch.no_grad():  # logits as a trained model's: a spread of about 2
        spread = float(model(torch.arange(64).unsqueeze(0) % n_vocab).logits.std()) / 2
    norm, one = model.model.norm.weight, 1.0 if cls == "Gemma3" else 0.0
    norm.data = (norm.data + one) / spread - one
    return model, config


def write_source(path, name, model, config, files):
    os.makedirs(path)
    if name == "qwen":
        make_arch.D, make_arch.F = SIZES["hidden_size"], SIZES["intermediate_size"]
        make_arch.write_hf(path, model, config, name)
        c = json.load(open(f"{path}/config.json"))
        c.update(vocab_size=make_arch.V, num_hidden_layers=4, seq_length=512, max_position_embeddings=512)
        json.dump(c, open(f"{path}/config.json", "w"))
        save_file(make_arch.qwen1({k: v.contiguous() for k, v in model.state_dict().items()}),
                  f"{path}/model.safetensors", metadata={"format": "pt"})
    else:
        model.save_pretrained(path, max_shard_size="2MB")
    for file, text in files.items():
        open(os.path.join(path, file.split(":")[0]), "wb").write(
            base64.b64decode(text) if ":base64" in file else text.encode())
    open(f"{path}/chat_template.jinja", "w").write("{{ messages[0]['content'] }}")


def load_folder(path, name, config):
    if name != "qwen":
        return transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    # the first Qwen's code is not transformers' own: within seq_length it computes what Qwen 2 does
    state = {}
    for key, t in load_file(f"{path}/model.safetensors").items():
        for new, old in make_arch.QWEN1.items():
            key = re.sub(re.escape(old) + r"(?=\.(weight|bias))", new, key)
        key = key.replace("transformer.h.", "model.layers.").replace("transformer.wte", "model.embed_tokens").replace(
            "transformer.ln_f", "model.norm")
        if "c_attn" in key:
            for w, part in zip("qkv", t.chunk(3)):
                state[key.replace("c_attn", f"{w}_proj")] = part
        else:
            state[key] = t
    model = transformers.Qwen2ForCausalLM(config).float().eval()
    model.load_state_dict(state)
    return model


def check(cmat, name, d):
    failed = 0
    files, n_vocab = tokenizer_files(TOKENIZERS[name])
    model, config = make_source(name, n_vocab)
    write_source(f"{d}/source", name, model, config, files)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=f"{d}/source/tokenizer.json")
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    base = torch_logits(model, ids)

    def export(out, *args):
        subprocess.run([cmat, "export", "--quiet", *args, out], check=True)
        return out

    def compare(what, p, q, bound, same_tokens=True):
        nonlocal failed
        kl = float((np.exp(p) * (p - q)).sum(1).mean()) if same_tokens else float("nan")
        ok = same_tokens and kl <= bound
        failed += not ok
        print(f"{name:10} {what:42} mean KL {kl:.1e} (bound {bound:g})"
              f"{'' if ok else '  FAILED' if same_tokens else '  FAILED: other tokens'}", flush=True)

    peft, modules = make_arch.lora_model(model, name, 8)
    trained = {k.replace(".default", ""): p.data * 0.2 for k, p in peft.named_parameters() if p.requires_grad}
    for k, p in peft.named_parameters():
        if p.requires_grad:
            p.data *= 0.2
    make_arch.write_adapter(f"{d}/lora", trained, modules, name)
    tuned = torch_logits(peft, ids)
    for adapter, want in ((None, base), (f"{d}/lora", tuned)):
        for t, bound in TYPES.items():
            if adapter and t not in ("F32", "Q4_K_M"):
                continue
            path = export(f"{d}/x.gguf", "--max-kl", "9", "--model", f"{d}/source", "--type", t, "--format", "gguf",
                          *([adapter] if adapter else []))
            tokens, got = llama_cpp_logits(path, TEXT)
            compare(f"folder{' + LoRA' if adapter else ''} -> {t} GGUF, llama.cpp", want, got if tokens == ids else want,
                    bound, tokens == ids)
        path = export(f"{d}/f32.gguf", "--model", f"{d}/source", "--type", "F32", "--format", "gguf",
                      *([adapter] if adapter else []))
        folder = export(f"{d}/back", "--model", path, "--type", "F32", "--format", "safetensors")
        again = transformers.AutoTokenizer.from_pretrained(folder)(TEXT, add_special_tokens=False)["input_ids"] \
            if name != "qwen" else transformers.PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json")(
                TEXT, add_special_tokens=False)["input_ids"]
        compare(f"... -> F32 GGUF -> folder{' + LoRA' if adapter else ''}, transformers", want,
                torch_logits(load_folder(folder, name, config), ids), 1e-6, again == ids)
        assert "messages[0]" in json.load(open(f"{folder}/tokenizer_config.json"))["chat_template"]
        shutil.rmtree(folder)
    return failed


def main(cmat, names):
    failed = 0
    torch.set_num_threads(2)
    for name in names or TOKENIZERS:
        with tempfile.TemporaryDirectory() as d:
            failed += check(os.path.abspath(cmat), name, d)
    print("all conversions agree" if not failed else f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
