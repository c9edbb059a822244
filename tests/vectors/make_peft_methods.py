#!/usr/bin/env python3
"""Makes peft_methods/: for each tuning method an adapter saved by real peft for the tiny model that
test_method.c writes, with what PyTorch computes with it.

    make_tiny_model tiny.gguf 0 small
    make_peft_methods.py tiny.gguf [OUT]

OUT/METHOD/adapter_config.json, adapter_model.safetensors: as peft writes them.
OUT/full/expected.safetensors: grad.NAME (float16) of the model's own weights, and loss.
OUT/METHOD/expected.safetensors: logits (3, V) of the last three of TOKENS; param.NAME (not of dora) and grad.NAME of what is
tuned, NAME as in PyTorch; loss (1): the mean over TOKENS[1:]. Needs torch, transformers, peft, gguf."""
import json
import os
import sys

import torch
from peft import (LoraConfig, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig, get_peft_model)
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

TOKENS = [(i * 37 + 5) % 250 for i in range(24)]
PROMPT = dict(task_type="CAUSAL_LM", num_virtual_tokens=10)
METHODS = {
    "p-tuning-mlp": PromptEncoderConfig(encoder_reparameterization_type="MLP", encoder_hidden_size=12, **PROMPT),
    "p-tuning-lstm": PromptEncoderConfig(encoder_reparameterization_type="LSTM", encoder_hidden_size=6,
                                         encoder_num_layers=2, **PROMPT),
    "prompt-tuning": PromptTuningConfig(prompt_tuning_init="RANDOM", **PROMPT),
    "prefix-tuning": PrefixTuningConfig(**PROMPT),
    "dora": LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=6, use_dora=True, target_modules="all-linear"),
    "prefix-tuning-mlp": PrefixTuningConfig(prefix_projection=True, encoder_hidden_size=12, **PROMPT),
}


def rename_base(path):
    """The base is this test's, not a folder of the machine that made it."""
    config = json.load(open(path))
    config["base_model_name_or_path"] = "tiny"
    if "target_modules" in config:
        config["target_modules"].sort()
    json.dump(config, open(path, "w"), indent=2, sort_keys=True)


def full(path, folder):
    """Gradients of all weights of the model itself, halved in width to stay small."""
    model = AutoModelForCausalLM.from_pretrained(os.path.dirname(os.path.abspath(path)),
                                                 gguf_file=os.path.basename(path), dtype=torch.float32)
    tokens = torch.tensor([TOKENS])
    logits = model(input_ids=tokens).logits[0]
    loss = torch.nn.functional.cross_entropy(logits[:-1], tokens[0, 1:])
    loss.backward()
    expected = {"loss": loss.detach().reshape(1)}
    for key, p in model.named_parameters():
        expected["grad." + key] = p.grad.half().contiguous()
    os.makedirs(folder, exist_ok=True)
    save_file(expected, os.path.join(folder, "expected.safetensors"))


def main():
    path, out = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "peft_methods"
    for name, config in METHODS.items():
        torch.manual_seed(5)
        base = AutoModelForCausalLM.from_pretrained(os.path.dirname(os.path.abspath(path)),
                                                    gguf_file=os.path.basename(path), dtype=torch.float32)
        model = get_peft_model(base, config)
        model.train()
        if name == "dora":
            for key, p in model.named_parameters():
                if "lora_B" in key:
                    torch.nn.init.normal_(p, std=0.1)
                if "magnitude" in key:
                    p.data *= 0.8 + 0.4 * torch.rand_like(p)
        tokens = torch.tensor([TOKENS])
        logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits[0][-len(TOKENS):]
        loss = torch.nn.functional.cross_entropy(logits[:-1], tokens[0, 1:])
        loss.backward()
        folder = os.path.join(out, name)
        model.save_pretrained(folder)
        os.remove(os.path.join(folder, "README.md"))
        rename_base(os.path.join(folder, "adapter_config.json"))
        expected = {"logits": logits[-3:].detach().contiguous(), "loss": loss.detach().reshape(1)}
        for key, p in model.named_parameters():
            if p.requires_grad:
                short = key.replace("prompt_encoder.default.", "").replace(".default", "")
                if name != "dora":  # whose parameters are those that peft saves
                    expected["param." + short] = p.detach().contiguous()
                expected["grad." + short] = p.grad.contiguous()
        save_file(expected, os.path.join(folder, "expected.safetensors"))
        print(name, f"loss {float(loss.detach()):.6f}", sum(p.numel() for p in model.parameters() if p.requires_grad))
    full(path, os.path.join(out, "full"))


main()
