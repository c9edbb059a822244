#!/usr/bin/env python3
"""Writes tests/vectors/arch: for each architecture a tiny random checkpoint as Hugging Face's files and as
GGUF, its logits, a LoRA adapter as PEFT writes it, and the adapter's gradients, all by PyTorch in float32.

    make_arch.py OUT_DIR [NAME ...]

Weights are multiples of 1/512, so that F16 holds them exactly. Tokens and loss are those of test_arch.c:
token i is (7 i + 3) mod 48, the loss is the mean over the tokens from the 10th on. The rope cases
(rope.json) are transformers' own inverse frequencies. Needs torch, transformers, peft, gguf, safetensors."""
import json
import math
import os
import sys

import gguf
import numpy as np
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

V, D, F, N, RANK = 48, 32, 64, 24, 2
TOKENS = [(7 * i + 3) % V for i in range(N)]
COMMON = dict(vocab_size=V, hidden_size=D, intermediate_size=F, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, pad_token_id=0,
              bos_token_id=0, eos_token_id=0)
FACTORS = [1.0 + 0.25 * i for i in range(6)]

# name: (class, what differs from COMMON, GGUF architecture)
CASES = {
    "llama": ("Llama", dict(tie_word_embeddings=True, rope_parameters=dict(
        rope_type="llama3", rope_theta=500.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32)), "llama"),
    "codellama": ("Llama", dict(num_key_value_heads=4, tie_word_embeddings=False, rope_theta=1e6), "llama"),
    "mistral": ("Mistral", dict(head_dim=16, sliding_window=8, tie_word_embeddings=False), "llama"),
    "qwen": ("Qwen2", dict(num_key_value_heads=4, tie_word_embeddings=False), "qwen"),
    "qwen2": ("Qwen2", dict(tie_word_embeddings=True, rope_theta=1e6), "qwen2"),
    "qwen3": ("Qwen3", dict(head_dim=16, tie_word_embeddings=False, rope_parameters=dict(
        rope_type="yarn", rope_theta=1e4, factor=4.0, original_max_position_embeddings=64)), "qwen3"),
    "gemma3": ("Gemma3", dict(num_hidden_layers=3, head_dim=16, query_pre_attn_scalar=12, sliding_window=8,
                              num_key_value_heads=1, tie_word_embeddings=True,
                              layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                              rope_parameters=dict(full_attention=dict(rope_type="linear", rope_theta=1e6, factor=8.0),
                                                   sliding_attention=dict(rope_type="default", rope_theta=1e4))),
               "gemma3"),
    "phi3": ("Phi3", dict(num_attention_heads=2, num_key_value_heads=1, sliding_window=12, tie_word_embeddings=False,
                          original_max_position_embeddings=32, rope_parameters=dict(
                              rope_type="longrope", rope_theta=1e4, partial_rotary_factor=0.75,
                              short_factor=FACTORS, long_factor=[2 * f for f in FACTORS],
                              original_max_position_embeddings=32)), "phi3"),
    "smollm3": ("SmolLM3", dict(num_hidden_layers=4, tie_word_embeddings=True), "smollm3"),
}
QWEN1 = {"self_attn.o_proj": "attn.c_proj", "mlp.gate_proj": "mlp.w2", "mlp.up_proj": "mlp.w1",
         "mlp.down_proj": "mlp.c_proj", "input_layernorm": "ln_1", "post_attention_layernorm": "ln_2",
         "self_attn.c_attn": "attn.c_attn"}


def make_model(name, seed):
    cls, changes, _ = CASES[name]
    text = "Text" if cls == "Gemma3" else ""
    config = getattr(transformers, f"{cls}{text}Config")(**{**COMMON, **changes})
    config._attn_implementation = "eager"
    model = getattr(transformers, f"{cls}ForCausalLM")(config).float().eval()
    rng = torch.Generator().manual_seed(seed)
    for key, p in model.named_parameters():
        mean = 1.0 if "norm" in key and cls != "Gemma3" else 0.0
        std = 0.1 if "norm" in key or "bias" in key else 1.0 if "embed" in key and cls != "Gemma3" else 0.25
        p.data = mean + torch.round(torch.randn(p.shape, generator=rng) * std * 512) / 512
    return model, config


def lora_model(model, name, seed):
    """Random A and B on every matrix; where a checkpoint has q, k, v in one matrix they share their A."""
    modules = sorted({n.rsplit(".", 1)[1] for n, m in model.named_modules()
                      if isinstance(m, torch.nn.Linear) and "lm_head" not in n})
    peft = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=3, target_modules=modules, task_type="CAUSAL_LM"))
    rng = torch.Generator().manual_seed(seed)
    shared = {}
    for key, p in peft.named_parameters():
        if "lora_" not in key:
            continue
        p.data = torch.randn(p.shape, generator=rng) * 0.25
        if name == "qwen" and "lora_A" in key and any(f".{w}_proj" in key for w in "qkv"):
            p.data = shared.setdefault(key.split(".self_attn")[0], p.data).clone()
    return peft, modules


def qwen1_key(key):
    for old, new in QWEN1.items():
        key = key.replace(old, new)
    return key.replace("model.layers", "transformer.h").replace("model.embed_tokens", "transformer.wte").replace(
        "model.norm", "transformer.ln_f")


def qwen1(tensors):
    """Tensors of q, k, v joined, and the first Qwen's names. lora_A is the same in all three; its gradients add."""
    out = {}
    for key, t in tensors.items():
        if ".q_proj" in key:
            parts = [tensors[key.replace(".q_proj", f".{w}_proj")] for w in "qkv"]
            same = "lora_A" in key and all(torch.equal(parts[0], p) for p in parts)
            t = parts[0] if same else sum(parts) if "lora_A" in key else torch.cat(parts)
            key = key.replace("q_proj", "c_attn")
        elif ".k_proj" in key or ".v_proj" in key:
            continue
        out[qwen1_key(key)] = t.contiguous()
    return out


def write_adapter(path, tensors, modules, name):
    os.makedirs(path, exist_ok=True)
    if name == "qwen":
        tensors, modules = qwen1(tensors), ["attn.c_attn", "c_proj", "w1", "w2"]
    json.dump(dict(peft_type="LORA", task_type="CAUSAL_LM", r=RANK, lora_alpha=3, lora_dropout=0.0, bias="none",
                   target_modules=modules), open(os.path.join(path, "adapter_config.json"), "w"))
    save_file({k: t.contiguous() for k, t in tensors.items()}, os.path.join(path, "adapter_model.safetensors"),
              metadata={"format": "pt"})


def write_hf(path, model, config, name):
    state = {k: v.half() for k, v in model.state_dict().items() if not (config.tie_word_embeddings and "lm_head" in k)}
    c = config.to_dict()
    if name == "qwen":  # what its repository's config.json says
        state = qwen1(state)
        c = dict(model_type="qwen", hidden_size=D, intermediate_size=2 * F, num_hidden_layers=2, num_attention_heads=4,
                 kv_channels=D // 4, vocab_size=V, seq_length=64, max_position_embeddings=64, layer_norm_epsilon=1e-5,
                 rotary_emb_base=10000, rotary_pct=1.0, no_bias=True, tie_word_embeddings=False,
                 use_dynamic_ntk=True, use_logn_attn=True)
    json.dump(c, open(os.path.join(path, "config.json"), "w"), indent=1)
    save_file(state, os.path.join(path, "model.safetensors"), metadata={"format": "pt"})


def permute(w, n_heads):
    """Rows of q or k as GGUF's llama has them: adjacent pairs."""
    return w.reshape(n_heads, 2, w.shape[0] // n_heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def write_gguf(path, model, config, name):
    arch = CASES[name][2]
    w = gguf.GGUFWriter(os.path.join(path, "model.gguf"), arch)
    heads, kv = config.num_attention_heads, config.num_key_value_heads
    d = getattr(config, "head_dim", None) or D // heads
    rope = config.rope_parameters
    rope = rope.get("full_attention", rope)
    w.add_block_count(config.num_hidden_layers)
    w.add_context_length(64)
    w.add_embedding_length(D)
    w.add_feed_forward_length(2 * F if arch == "qwen" else F)
    w.add_head_count(heads)
    if arch != "qwen":
        w.add_head_count_kv(kv)
    if "head_dim" in CASES[name][1]:
        w.add_key_length(d)
        w.add_value_length(d)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_rope_freq_base(rope["rope_theta"])
    w.add_rope_dimension_count(int(d * rope.get("partial_rotary_factor", 1.0)))
    if getattr(config, "sliding_window", None):
        w.add_sliding_window(config.sliding_window)
    if arch == "gemma3":
        w.add_uint32("gemma3.attention.sliding_window_pattern", 2)
        w.add_attention_scale(config.query_pre_attn_scalar**-0.5)
    if rope["rope_type"] in ("linear", "yarn"):
        w.add_rope_scaling_type(gguf.RopeScalingType(rope["rope_type"]))
        w.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        w.add_rope_scaling_orig_ctx_len(64)
    if rope["rope_type"] == "longrope":
        w.add_rope_scaling_orig_ctx_len(32)
        w.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(64 / 32) / math.log(32)))
        for which in ("short", "long"):
            w.add_tensor(f"rope_factors_{which}.weight", np.array(rope[f"{which}_factor"], dtype=np.float32))
    if rope["rope_type"] == "llama3":
        plain = rope["rope_theta"] ** -(np.arange(0, d, 2) / d)
        ours, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
        w.add_tensor("rope_freqs.weight", (plain / ours.numpy()).astype(np.float32))
    tokens = ["t", "h", "th"] + [f"<{i}>" for i in range(V - 3)]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("default")
    w.add_token_list(tokens)
    w.add_token_types([1] * 3 + [5] * (V - 3))
    w.add_token_merges(["t h"])
    names = gguf.get_tensor_name_map({"qwen": gguf.MODEL_ARCH.QWEN, "qwen2": gguf.MODEL_ARCH.QWEN2,
                                      "qwen3": gguf.MODEL_ARCH.QWEN3, "gemma3": gguf.MODEL_ARCH.GEMMA3,
                                      "phi3": gguf.MODEL_ARCH.PHI3, "smollm3": gguf.MODEL_ARCH.SMOLLM3,
                                      "llama": gguf.MODEL_ARCH.LLAMA}[arch], config.num_hidden_layers)
    state = dict(model.state_dict())
    if name == "qwen":
        state = qwen1(state)
    for key, t in state.items():
        if "lm_head" in key and config.tie_word_embeddings:
            continue
        x = t.numpy()
        if arch in ("llama", "smollm3") and (".q_proj" in key or ".k_proj" in key):
            x = permute(x, heads if ".q_proj" in key else kv)
        if arch == "gemma3" and "norm" in key:
            x = x + 1
        x = x.astype(np.float32 if x.ndim == 1 else np.float16)
        w.add_tensor(names.get_name(key, try_suffixes=(".weight", ".bias")), x)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_case(out, name, seed):
    path = os.path.join(out, name)
    os.makedirs(path, exist_ok=True)
    model, config = make_model(name, seed)
    ids = torch.tensor([TOKENS])
    with torch.no_grad():
        logits = model(ids, use_cache=False).logits[0]
    save_file({"logits": logits.contiguous()}, os.path.join(path, "logits.safetensors"))
    write_hf(path, model, config, name)
    write_gguf(path, model, config, name)
    peft, modules = lora_model(model, name, seed + 1)
    logits = peft(ids, use_cache=False).logits[0]
    loss = torch.nn.functional.cross_entropy(logits[9:-1], ids[0, 10:])
    loss.backward()
    trained = [(k.replace(".default", ""), p) for k, p in peft.named_parameters() if p.requires_grad]
    write_adapter(os.path.join(path, "lora"), {k: p.data for k, p in trained}, modules, name)
    write_adapter(os.path.join(path, "grads"), {k: p.grad for k, p in trained}, modules, name)
    print(f"{name}: loss {loss.item():.4f}, logits up to {logits.abs().max().item():.2f}")


def qwen1_long(model, seq_length):
    """Logits of the first Qwen's own code (modeling_qwen.py) for a prompt longer than seq_length: the base of its
    rotary positions grows with the text (dynamic NTK), queries of late positions with their logarithm."""
    state, heads, d = model.state_dict(), 4, D // 4
    alpha = max(2 ** math.ceil(math.log(N / seq_length, 2) + 1) - 1, 1)
    freqs = 1.0 / (1e4 * alpha ** (d / (d - 2))) ** (torch.arange(0, d, 2).float() / d)
    angles = torch.outer(torch.arange(N).float(), torch.cat((freqs, freqs)))
    logn = torch.tensor([math.log(i, seq_length) if i > seq_length else 1.0 for i in range(1, N + 1)])

    def norm(x, key):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * state[key + ".weight"]

    def linear(x, key):
        y = x @ state[key + ".weight"].T
        return y + state[key + ".bias"] if key + ".bias" in state else y

    def split(x, turn):
        x = x.view(N, heads, d).transpose(0, 1)
        rotated = torch.cat((-x[..., d // 2:], x[..., :d // 2]), -1)
        return x * angles.cos() + rotated * angles.sin() if turn else x

    x = state["model.embed_tokens.weight"][torch.tensor(TOKENS)]
    mask = torch.full((N, N), float("-inf")).triu(1)
    for layer in range(2):
        at = f"model.layers.{layer}."
        y = norm(x, at + "input_layernorm")
        q, k, v = (split(linear(y, at + f"self_attn.{w}_proj"), w != "v") for w in "qkv")
        p = torch.softmax((q * logn[None, :, None]) @ k.transpose(1, 2) / math.sqrt(d) + mask, -1)
        x = x + linear((p @ v).transpose(0, 1).reshape(N, D), at + "self_attn.o_proj")
        y = norm(x, at + "post_attention_layernorm")
        y = torch.nn.functional.silu(linear(y, at + "mlp.gate_proj")) * linear(y, at + "mlp.up_proj")
        x = x + linear(y, at + "mlp.down_proj")
    return linear(norm(x, "model.norm"), "lm_head")


def write_long(out, seed):
    """Texts longer than what the models were trained on: Qwen's with seq_length 8, Phi 3's with an original context
    of 16 (and the files' other settings)."""
    model, _ = make_model("qwen", seed("qwen"))
    with torch.no_grad():
        save_file({"logits": qwen1_long(model, 8).contiguous()}, os.path.join(out, "qwen", "logits_long.safetensors"))
    changes = CASES["phi3"][1]
    changes["original_max_position_embeddings"] = changes["rope_parameters"]["original_max_position_embeddings"] = 16
    model, _ = make_model("phi3", seed("phi3"))
    with torch.no_grad():
        logits = model(torch.tensor([TOKENS]), use_cache=False).logits[0]
    save_file({"logits": logits.contiguous()}, os.path.join(out, "phi3", "logits_long.safetensors"))


def write_rope(out):
    params = [
        dict(rope_type="linear", rope_theta=1e4, factor=4.0),
        dict(rope_type="llama3", rope_theta=5e5, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
             original_max_position_embeddings=8192),
        dict(rope_type="yarn", rope_theta=1e6, factor=4.0, original_max_position_embeddings=32768),
        dict(rope_type="yarn", rope_theta=1e4, factor=2.5, beta_fast=16.0, beta_slow=2.0, attention_factor=1.25,
             original_max_position_embeddings=4096),
        dict(rope_type="longrope", rope_theta=1e4, short_factor=[1 + i / 8 for i in range(32)],
             long_factor=[2 + i for i in range(32)], original_max_position_embeddings=4096),
        dict(rope_type="dynamic", rope_theta=1e4, factor=2.0),
    ]
    cases = []
    for p in params:
        config = transformers.LlamaConfig(hidden_size=256, num_attention_heads=4, num_key_value_heads=2,
                                          num_hidden_layers=1, intermediate_size=64, vocab_size=64,
                                          max_position_embeddings=131072 if "dynamic" != p["rope_type"] else 4096,
                                          rope_parameters=dict(p))
        freqs, magnitude = ROPE_INIT_FUNCTIONS[p["rope_type"]](config, "cpu")
        c = {k: v for k, v in config.to_dict().items() if k in (
            "model_type", "hidden_size", "num_attention_heads", "num_key_value_heads", "num_hidden_layers",
            "intermediate_size", "vocab_size", "max_position_embeddings", "rope_parameters", "rms_norm_eps")}
        cases.append(dict(config=c, magnitude=float(magnitude), freqs=[float(f"{f:.8g}") for f in freqs.tolist()]))
    json.dump(cases, open(os.path.join(out, "rope.json"), "w"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    root = sys.argv[1]
    seeds = {case: 100 + 10 * i for i, case in enumerate(CASES)}
    for case in CASES:
        if len(sys.argv) < 3 or case in sys.argv[2:]:
            write_case(root, case, seeds[case])
    if len(sys.argv) < 3 or "long" in sys.argv[2:]:
        write_long(root, seeds.get)
    write_rope(root)
