#!/usr/bin/env python3
"""Makes tokenizer.json: texts and their ids under each pre-tokenizer, by the `tokenizers` library.

usage: make_tokenizer.py SmolLM2-135M-Instruct.Q4_1.gguf > tokenizer.json   (needs: pip install tokenizers gguf)

The other pre-tokenizers are tried on the same vocabulary: the test writes a copy of the GGUF's tokenizer with
another name in tokenizer.ggml.pre."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import smollm_tokenizer

TEXTS = [
    "", " ", "a", "Hello, world!", "  two  spaces   three\n\n\nlines\t\ttabs \n x", "I'm you're he'LL it'S we'd they've 'tis",
    "12 345 6789 1,000.50 x2 2x v1.2.3 ½ ² Ⅷ ٣٤", "a  5", "a \n 5", "\n5", "   5", "5   ", "end   ", "SELECT * FROM t WHERE a >= 10;",
    "def f(x):\n    return x**2  # square\n", "größer naïve Ærø œuvre", "日本語のテキスト、混在 English と。", "한국어 텍스트", "Привет, мир! ёж",
    "مرحبا بالعالم ١٢٣", "नमस्ते दुनिया १२", "ไทยไม่มีช่องว่าง", "שלום עולם", "😀👩‍👩‍👧‍👦🇩🇪 🏳️‍🌈", "e\u0301 a\u0300\u0301 \u200b\ufeff zero\u00a0width\u2003em\u3000wide\u0085nel",
    "\u180e x\u180ey", "!!!??? ...--- ((())) \r\n\r\n x\r\ny", "<|im_start|>user\nhi<|im_end|>\n", "<|endoftext|><|im_end", "a" * 200, " " * 77 + "x", "ab" * 60,
    "\U0001d400\U0001d7d8 \U00020000 \U0010fffd", "'", "''s", " 's", "\u017fs 'ſ", "x\x01y\x7f",
]


def main():
    out = []
    for pre in ("smollm", "gpt-2", "llama-bpe", "qwen2"):
        plain, specials = smollm_tokenizer.load(sys.argv[1], pre)
        with_specials, _ = smollm_tokenizer.load(sys.argv[1], pre)
        with_specials.add_special_tokens(specials)
        for text in TEXTS:
            out.append({"pre": pre, "text": text, "ids": plain.encode(text).ids, "special_ids": with_specials.encode(text).ids})
    json.dump(out, sys.stdout, ensure_ascii=True)
    print()


if __name__ == "__main__":
    main()
