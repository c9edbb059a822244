#!/usr/bin/env python3
"""Makes tokenizers.json: tiny tokenizers made of the same components as those of real models, and what the
`tokenizers` and `sentencepiece` libraries make of the same texts.

usage: make_tokenizers.py > tokenizers.json   (needs: pip install tokenizers sentencepiece gguf)

Each entry: name, files (name to text, or to base64 under "name:base64"), cases of [text, ids, ids with control
tokens]; null where the two libraries cannot tell."""
import base64
import io
import json
import os
import sys
import tempfile

import gguf
import sentencepiece as spm
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import make_tokenizer

TEXTS = make_tokenizer.TEXTS + [
    "\u2581x \u2581\u2581y", "a\u00c5b \u212b A\u030a q\u0307\u0323", "\ufb01ne \u2460 \uff21", "<s>[INST] hi [/INST]</s>", "</s>  x", " <s> ", "<unk>x<0x41>", "\n\n\n\t\tx",
    "<|user|>\n hi<|end|>\n\n<|end|>", "if (a) {\n    return b;\n}\n", "> <x> </x>", "[[tool]] x[[", "abc\u0000def".replace("\u0000", "\u0001"), "   lead", "trail   ",
]
CORPUS = [t for t in TEXTS for _ in range(2)] + [
    "The quick brown fox jumps over the lazy dog; then the other one does the same thing again, and again.",
    "int main(void) {\n    return the(there, then);\n}\n", "Select name, price from products where price > 10 order by name;"] * 3
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
META = "\u2581"


def pattern(regex):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def entry(name, t, specials=(), users=(), config=None):
    """special: AddedTokens; the plain ids come from a tokenizer that has only the users' ones."""
    text = t.to_str()
    plain, full = Tokenizer.from_str(text), Tokenizer.from_str(text)
    plain.add_tokens(list(users))
    full.add_special_tokens(list(specials))
    full.add_tokens(list(users))
    files = {"tokenizer.json": full.to_str()}
    if config:
        files["tokenizer_config.json"] = json.dumps(config)
    # the same ids for the users' tokens in both
    shift = {plain.token_to_id(u.content): full.token_to_id(u.content) for u in users}
    cases = []
    for s in TEXTS:
        # a model may have learned the text of a control token; cmat never makes one of plain text
        ids = None if any(k.content in s for k in specials) else [shift.get(i, i) for i in plain.encode(s, add_special_tokens=False).ids]
        cases.append([s, ids, full.encode(s, add_special_tokens=False).ids])
    return {"name": name, "files": files, "cases": cases}


def byte_level(pre, norm=None, **kw):
    t = Tokenizer(models.BPE(**kw))
    t.pre_tokenizer, t.decoder = pre, decoders.ByteLevel()
    if norm:
        t.normalizer = norm
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return t


def with_bos(t):
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", t.get_vocab_size() + 1)])])
    return t


def chars(norm, pre, decoder):
    """BPE over characters with byte fallback, as converted from SentencePiece."""
    t = Tokenizer(models.BPE())
    t.normalizer, t.pre_tokenizer = normalizers.Replace(" ", META), pre_tokenizers.Metaspace(prepend_scheme="never")
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=280, limit_alphabet=110, show_progress=False))
    model = json.loads(t.to_str())["model"]
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    for k in [f"<0x{b:02X}>" for b in range(256)] + sorted(model["vocab"], key=model["vocab"].get):
        vocab.setdefault(k, len(vocab))
    t = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(m) for m in model["merges"]], byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    if norm:
        t.normalizer = norm
    if pre:
        t.pre_tokenizer = pre
    t.decoder = decoder
    return t


def special(*names, **kw):
    return [AddedToken(s, special=True, normalized=False, **kw) for s in names]


def sentencepiece(**kw):
    out = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        rules.write("FB01\t66 69\n2460\t31\nFF21\t41\n212B\tC5\n00A0\t20\n3000\t20\n9\t20\n")
        rules.flush()
        if kw.pop("rules", False):
            kw["normalization_rule_tsv"] = rules.name
        lines = [x for t in CORPUS for x in t.split("\n") if x]
        spm.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=out, minloglevel=2, num_threads=1, **kw)
    return out.getvalue()


def spm_entry(name, data, files):
    sp = spm.SentencePieceProcessor(model_proto=data)
    return {"name": name, "files": files, "cases": [[t, sp.encode(t), sp.encode(t)] for t in TEXTS if "<s>" not in t and "</s>" not in t and "<unk>" not in t]}


def as_gguf(data, prefix):
    sp = spm.SentencePieceProcessor(model_proto=data)
    n = sp.get_piece_size()
    types = [2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 1 for i in range(n)]
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "t.gguf")
        w = gguf.GGUFWriter(path, "llama")
        w.add_tokenizer_model("llama")
        w.add_token_list([sp.id_to_piece(i) for i in range(n)])
        w.add_token_scores([sp.get_score(i) for i in range(n)])
        w.add_token_types(types)
        w.add_bos_token_id(1)
        w.add_eos_token_id(2)
        w.add_unk_token_id(0)
        w.add_add_space_prefix(prefix)
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.write_tensors_to_file()
        w.close()
        with open(path, "rb") as f:
            return f.read()


def main():
    b64 = lambda b: base64.b64encode(b).decode()
    llama_norm = normalizers.Sequence([normalizers.Prepend(META), normalizers.Replace(" ", META)])
    llama_dec = decoders.Sequence([decoders.Replace(META, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    out = [
        entry("qwen2", byte_level(pattern(QWEN2), normalizers.NFC()), special("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
              [AddedToken("[[", normalized=False)], {"bos_token": None, "eos_token": "<|im_end|>", "add_bos_token": False}),
        entry("llama3", with_bos(byte_level(pattern(LLAMA3), ignore_merges=True)), special("<|endoftext|>", "<|im_start|>", "<|im_end|>")),
        entry("smollm", byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)])),
              special("<|im_start|>", "<|im_end|>")),
        entry("prefix", byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), normalizers.NFKC()), special("<|im_end|>")),
        entry("llama2", chars(llama_norm, None, llama_dec), special("<unk>", "<s>", "</s>"), (),
              {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "add_bos_token": True}),
        entry("mistral", chars(None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False), llama_dec), special("<unk>", "<s>", "</s>")),
        entry("gemma", chars(normalizers.Replace(" ", META), pre_tokenizers.Split(" ", "merged_with_previous"),
                             decoders.Sequence([decoders.Replace(META, " "), decoders.ByteFallback(), decoders.Fuse()])),
              special("<unk>", "<s>", "</s>"), [AddedToken("\n\n", normalized=True), AddedToken(META + META, normalized=True), AddedToken("[[", normalized=False)]),
        entry("phi3", chars(llama_norm, None, llama_dec), special("<unk>", "<s>") + special("<|user|>", "<|end|>", rstrip=True) + special("</s>", lstrip=True)),
    ]
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer, t.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    t.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=700, unk_token="<unk>", special_tokens=["<unk>", "<s>", "</s>"], show_progress=False))
    out.append(entry("unigram", t, special("<unk>", "<s>", "</s>")))
    bpe = sentencepiece(model_type="bpe", vocab_size=600, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
                        character_coverage=0.98, split_digits=True)
    out.append(spm_entry("spm bpe", bpe, {"tokenizer.model:base64": b64(bpe)}))
    out.append(spm_entry("gguf spm", bpe, {"model.gguf:base64": b64(as_gguf(bpe, True))}))
    uni = sentencepiece(model_type="unigram", vocab_size=330, rules=True, hard_vocab_limit=False, user_defined_symbols=["[[", "tool"])
    out.append(spm_entry("spm unigram", uni, {"tokenizer.model:base64": b64(uni)}))
    unib = sentencepiece(model_type="unigram", vocab_size=600, hard_vocab_limit=False, byte_fallback=True, character_coverage=0.98, normalization_rule_name="identity", add_dummy_prefix=False)
    out.append(spm_entry("spm unigram bytes", unib, {"tokenizer.model:base64": b64(unib)}))
    json.dump(out, sys.stdout, ensure_ascii=True, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
