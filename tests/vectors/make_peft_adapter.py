#!/usr/bin/env python3
"""Makes peft_adapter/: a LoRA adapter saved by real peft (pip install peft transformers) for the tiny model
that test_adapter.c writes (1 layer, 32 wide, 2 heads, 1 key/value head, 32 feed-forward), with random B,
and expected.safetensors: each module's scale * B A with its rows in GGUF's order, permuted as llama.cpp's
convert_hf_to_gguf.py does (LlamaModel.permute)."""
import os
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

out = sys.argv[1] if len(sys.argv) > 1 else "peft_adapter"
torch.manual_seed(3)
base = LlamaForCausalLM(LlamaConfig(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
                                    num_key_value_heads=1, vocab_size=64, tie_word_embeddings=True))
model = get_peft_model(base, LoraConfig(r=4, lora_alpha=6, lora_dropout=0.05, use_rslora=True, task_type="CAUSAL_LM",
                                        target_modules=["q_proj", "k_proj", "v_proj", "down_proj"]))
for name, p in model.named_parameters():
    if "lora_B" in name:
        torch.nn.init.normal_(p, std=0.1)
model.save_pretrained(out)
os.remove(os.path.join(out, "README.md"))


def permute(w, n_head):
    return w.reshape(n_head, 2, w.shape[0] // n_head // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


expected = {}
for name, module in model.named_modules():
    if hasattr(module, "lora_A") and "default" in module.lora_A:
        delta = module.get_delta_weight("default").detach()
        short = name.split(".")[-1]
        if short in ("q_proj", "k_proj"):
            delta = permute(delta, 2 if short == "q_proj" else 1)
        expected[short] = delta.contiguous()
save_file(expected, os.path.join(out, "expected.safetensors"))
