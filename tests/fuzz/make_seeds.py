#!/usr/bin/env python3
"""Makes tests/fuzz/seeds/: one or two small files of each kind that the fuzz targets read."""
import base64
import io
import json
import os
import struct
import sys
import zipfile

ROOT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "seeds")


def save(target, name, data):
    os.makedirs(os.path.join(ROOT, target), exist_ok=True)
    with open(os.path.join(ROOT, target, name), "wb") as f:
        f.write(data.encode() if isinstance(data, str) else data)


def text(s):
    s = s.encode()
    return struct.pack("<Q", len(s)) + s


def value(v):
    """A GGUF value: (type, bytes)."""
    if isinstance(v, bool):
        return 7, struct.pack("<B", v)
    if isinstance(v, int):
        return 4, struct.pack("<I", v)
    if isinstance(v, float):
        return 6, struct.pack("<f", v)
    if isinstance(v, str):
        return 8, text(v)
    kind, _ = value(v[0])
    return 9, struct.pack("<IQ", 5 if kind == 4 else kind, len(v)) + b"".join(value(x)[1] for x in v)


def gguf(keys, tensors=()):
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for k, v in keys.items():
        kind, data = value(v)
        head += text(k) + struct.pack("<I", kind) + data
    at, body = 0, b""
    for name, kind, shape, data in tensors:
        head += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in shape)
        head += struct.pack("<IQ", kind, at)
        data += b"\0" * (-len(data) % 32)
        body, at = body + data, at + len(data)
    return head + b"\0" * (-len(head) % 32) + body


def safetensors(tensors, meta):
    at, header, body = 0, {"__metadata__": meta}, b""
    for name, shape, data in tensors:
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(data)]}
        body, at = body + data, at + len(data)
    h = json.dumps(header).encode()
    return struct.pack("<Q", len(h)) + h + body


def floats(n):
    return struct.pack(f"<{n}f", *(0.01 * (i % 7 - 3) for i in range(n)))


def fnv1a(data):
    h = 0xcbf29ce484222325
    for b in data:
        h = (h ^ b) * 0x100000001b3 % 2**64
    return h


save("gguf", "small", gguf({"general.architecture": "llama", "general.alignment": 32, "llama.block_count": 2, "a": 0.5,
                            "b": True, "tokenizer.ggml.tokens": ["x", "y"], "c": [1, 2, 3]},
                           [("t", 0, [4, 2], floats(8)), ("q", 2, [32], b"\1" * 18), ("k", 12, [256], b"\2" * 144)]))
save("tokenizer", "bpe", gguf({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm",
                               "tokenizer.ggml.tokens": [chr(c) for c in range(33, 127)] + ["th", "the", "Ġ", "<|end|>"],
                               "tokenizer.ggml.token_type": [1] * 97 + [3], "tokenizer.ggml.merges": ["t h", "th e"],
                               "tokenizer.ggml.bos_token_id": 97, "tokenizer.ggml.eos_token_id": 97}))
save("tokenizer", "spm", gguf({"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens":
                               ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + ["▁", "a", "▁a"],
                               "tokenizer.ggml.scores": [0.0] * 259 + [-1.0, -2.0, -3.0],
                               "tokenizer.ggml.token_type": [2, 3, 3] + [6] * 256 + [1] * 3,
                               "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2}))
save("safetensors", "two", safetensors([("a", [2, 2], floats(4)), ("b", [3], floats(3))], {"format": "pt"}))

z = io.BytesIO()
with zipfile.ZipFile(z, "w", zipfile.ZIP_DEFLATED) as f:
    f.writestr("a.txt", "x" * 50)
    f.writestr("b/m.gguf", "y" * 90)
save("zip", "small", z.getvalue())

save("template", "chatml", "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] | trim }}{% endfor %}")
save("template", "if", "{%- if messages[0].role == 'system' -%}{{ messages[0].content }}{%- endif -%}{{ bos_token }}")

# One layer, 32 wide, as fuzz_adapter.c's model: q with rank 2.
config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "bias": "none"}
module = "base_model.model.model.layers.0.self_attn.q_proj"
pair = [(module + ".lora_A.weight", [2, 32], floats(64)), (module + ".lora_B.weight", [32, 2], floats(64))]
save("adapter", "peft", b"\1" + json.dumps(config).encode() + b"\0" + safetensors(pair, {"cmat.base_sha256": "0"}))
dora = dict(config, use_dora=True)
save("adapter", "dora", b"\1" + json.dumps(dora).encode() + b"\0" +
     safetensors(pair + [(module + ".lora_magnitude_vector", [32], floats(32))], {}))
prompt = {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 2, "token_dim": 32, "num_layers": 1,
          "num_attention_heads": 2, "num_transformer_submodules": 1}
save("adapter", "prompt", b"\1" + json.dumps(prompt).encode() + b"\0" +
     safetensors([("prompt_embeddings", [2, 32], floats(64))], {}))
save("adapter", "gguf", b"\0" + gguf({"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora",
                                      "adapter.lora.alpha": 4.0},
                                     [("blk.0.attn_q.weight.lora_a", 0, [32, 2], floats(64)),
                                      ("blk.0.attn_q.weight.lora_b", 0, [2, 32], floats(64))]))

arrays = [floats(8), floats(8), floats(8)]
header = {"identity": "fuzz", "state": {"step": 3, "epoch": 1, "loss": "3ff0000000000000"},
          "adapters": [{"n": 8, "t": 3, "best_loss": "7ff0000000000000", "best_step": -1,
                        "arrays": {k: f"{fnv1a(a):016x}" for k, a in zip(("params", "m", "v"), arrays)}}]}
h = json.dumps(header).encode()
save("checkpoint", "whole", b"\0CMATCKP1" + struct.pack("<Q", len(h)) + h + b"".join(arrays))
save("checkpoint", "cut", b"\0CMATCKP1" + struct.pack("<Q", len(h)) + h[:40])

rows = [{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "é"},
                      {"role": "assistant", "content": "b", "weight": 0.5}], "id": "x", "kind": 1}] * 2
save("dataset", "messages", b"\0" + "\n".join(map(json.dumps, rows)).encode())
save("dataset", "alpaca", b"\4" + json.dumps([{"instruction": "i", "input": "n", "output": "o", "history": [["a", "b"]]}]).encode())
save("dataset", "sharegpt", b"\3" + json.dumps({"conversations": [{"from": "human", "value": "q"},
                                                                  {"from": "gpt", "value": "a"}], "weight": 2}).encode())

for i, line in enumerate(("SQL: SELECT n, a FROM t WHERE n > 1 ORDER BY n DESC LIMIT 2", "Final: UPDATE t SET a = 'x' WHERE n = 2",
                          "SQL: INSERT INTO t (n, `two words`) VALUES ('4', \"a\\'b\"), (5.50, NULL)", "Answer: [\"a\", 'b', 2]",
                          "SQL: SELECT CONCAT(a, '-', n), IF(n > 1, LEFT(a, 2), 3) FROM t GROUP BY n HAVING COUNT(*) > 0")):
    save("sql", f"short{i}", bytes([2 * (i % 2)]) + line.encode())
    save("sql", f"agentbench{i}", bytes([1 + 2 * (i % 2)]) + f"Action: Operation\n```sql\n{line.split(': ', 1)[1]}\n```".encode())

save("house", "problem", "\0(define (problem p) (:objects a - agent l - location b - receptacle) (:init (atLocation a l) "
     "(receptacleAtLocation b l) (openable b)) (:goal (exists (?r - receptacle) (opened ?r))))")
save("house", "domain", "\1(define (domain d) (:types agent location - thing) (:predicates (at ?a - agent ?l - location)) "
     "(:action go :parameters (?a - agent) :precondition (or (exists (?l - location) (at ?a ?l)) (not (= ?a ?a))) "
     ":effect (when (at ?a ?a) (not (at ?a ?a)))))")
save("house", "grammar", "\2grammar :: \"\"\"{\"task\": [{\"condition\": \"opened(r: receptacle) & not_holds(a: agent, o: object)\", "
     "\"rhs\": \"[{#x# | openable(r: receptacle)}] {r.name or r.id} #x#\"}], \"x\": [{\"rhs\": \"y\"}]}\"\"\"; "
     "action look { template :: \"look\"; feedback :: \"{a}\"; }")
save("house", "reply", "\3Think: hm\ngo to garbagecan 1")
save("house", "reply2", "\4THOUGHT: hm\n ACTION: go to the garbagecan")

save("web", "page", "\0<!DOCTYPE html><title>T</title><ul><li>a<li b='>'>c</ul><form><label for=n>N</label><input id=n value=\"x\">"
     "<select><option selected>S<option>M</select><button disabled/>ok</button></form><table><tr><td>1<td><a href=/x>y</a></table>")
save("web", "mind2web", "\1" + json.dumps([{"annotation_id": "a", "confirmed_task": "t", "website": "w", "action_reprs": ["x -> CLICK"],
     "actions": [{"action_uid": "u", "cleaned_html": "<html backend_node_id='1'><a backend_node_id='2'>x</a><i backend_node_id='3'/></html>",
                  "operation": {"op": "CLICK", "value": ""}, "pos_candidates": [{"backend_node_id": "2"}],
                  "neg_candidates": [{"backend_node_id": "3", "rank": 2}]}]}]))
save("web", "instances", "\1" + json.dumps({"instances": [{"instance_id": "a__0", "input": "Task: t\n\nPrevious actions (x):\n  1. [a]  b -> CLICK\n\n"
     "Available candidate elements:\n  1. <a bnid=\"2\" class=\"c...>\n  2. <i bnid=\"3\">\n\nCurrent page:\n```html\n<html backend_node_id=\"1\">\n <i backend_node_id=\"3\">"
     "\n... [HTML truncated; original length 9] ...\n```\n", "metadata": {"op": "TYPE", "value": "v", "target_bnids": ["2"], "candidate_bnids": ["2", "3"]}}]}))
save("web", "miniwob", "\1" + json.dumps({"demo": "x/click/y", "utterance": "u", "steps": [{"op": "CLICK", "ref": 2, "value": "", "elements": [
     {"ref": 2, "tag": "input_text", "value": "v"}, {"ref": -1, "tag": "t", "text": "T"}, {"ref": 4, "tag": "select"}, {"ref": 5, "tag": "option", "text": "o"}]},
     {"op": "TYPE", "ref": 2, "value": "w", "elements": None}]}))
save("web", "site", "\1" + json.dumps({"id": "s", "env": "web", "instruction": "i", "site": {"kind": "login", "title": "T", "user": "u", "password": "p",
     "settings": [{"label": "L", "options": ["a", "b"], "now": "a"}], "goal": [0, 1]}}))
save("web", "reply", "\2Plan: x\nTYPE [3]: \"some text\"")
save("web", "reply2", "\3Thought: x\nAnswer: C.\nAction: SELECT\nValue: b")
save("web", "state", "\4010\n/?page=2\n1\n/\n3\tx\n")
save("web", "request", "\5/send?x=1\nf0=a%20b&f1=%zz&row=3")

PRODUCT = {"asin": "B000000001", "Title": "Red Kettle, 1.7L (Pack of 2)", "Description": "Boils \u2605.",
           "BulletPoints": ["bpa free", "it's quick"], "pricing": [12.0, 15.5], "Attributes": ["heat resistant"],
           "options": {"color": ["red", "features"], "size": ["8 fl oz"]}, "query": "kettles", "category": "kitchen",
           "product_category": "A \u203a B", "Reviews": [{"title": "Good", "score": 4, "body": "Yes."}]}
CRAWLED = {"asin": "B000000002", "name": "Kettle", "full_description": "", "small_description": "x", "pricing": "$9.99$12",
           "customization_options": {"Color": [{"value": " Red/White ", "image": None}], "size": None}}
save("shop", "products", "\0" + json.dumps({"id": "B000000001", "product": PRODUCT}) + "\n\n" + json.dumps(CRAWLED) + "\n")
save("shop", "array", "\0" + json.dumps([CRAWLED, PRODUCT], ensure_ascii=False))
save("shop", "bytes", b"\0{\"asin\": \"B1\", \"name\": \"red \xff\xfe\"}\n")
save("shop", "words", "\1The women's caf\u00e9 a_b 1,000.5 x:y \u2605 \u6728\u6751 \u30ab\u30bf rock'n'roll \U0001f468\u200d\U0001f4bc \u0e44\u0e17\u0e22")
save("shop", "phrases", "\2x-large, red_1\nRed  xx-large \u00e9\u0101")
save("shop", "title", "\3(Red,Blue) 3-Piece \"Set\"...10ft w/ U.S. Plug | 5% Women's \u2013 7.5\"x9")
save("shop", "reply", "\4Think: hm\nsearch[red kettle]")
save("shop", "reply2", "\5Thought:\nhm\n\nAction:\nclick[a[b]]")
save("shop", "bought", "\7M0123456789 0=1 1=0")
save("shop", "snapshot", struct.pack("<B3i16i", 6, 1, 1, -1, *[-1] * 16) + b"kettle")

# The smallest files of each kind among the tokenizers' test vectors.
vectors = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../vectors/tokenizers.json")))
for target, file in (("tokenizer_json", "tokenizer.json"), ("spm", "tokenizer.model")):
    found = [(len(t), e["name"], n, t) for e in vectors for n, t in e["files"].items() if n.split(":")[0] == file]
    for _, name, n, t in sorted(found)[:3]:
        save(target, name.replace(" ", "-"), base64.b64decode(t) if n.endswith(":base64") else t)

save("hf_config", "llama", json.dumps({
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 300, "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                     "original_max_position_embeddings": 64}}))
save("hf_config", "index", json.dumps({"metadata": {"total_size": 1}, "weight_map": {
    "model.norm.weight": "model-00001-of-00002.safetensors", "lm_head.weight": "model-00002-of-00002.safetensors"}}))
