#!/usr/bin/env python3
"""Compares our chat-template interpreter with Python's jinja2, set up as transformers does.

usage: compare_templates.py [-v] RENDER TEMPLATE...
RENDER is build/tests/render_template; a TEMPLATE is a .jinja file, a GGUF file, or a folder of them.
Every template is rendered with every conversation below, by both; prints how many pairs agree byte
for byte and the first difference of each template. Needs transformers (and gguf for GGUF files).
"""
import itertools
import json
import os
import subprocess
import sys

from transformers.utils.chat_template_utils import _compile_jinja_template


def tool(name, properties, required):
    return {"type": "function", "function": {
        "name": name, "description": "Does \"%s\" <now> & returns it.\nSecond line: é 日本." % name,
        "parameters": {"type": "object", "properties": properties, "required": required}}}


TOOLS = [
    tool("get_weather", {"city": {"type": "string", "description": "City, e.g. \"Zürich\""},
                         "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                         "days": {"type": "integer", "minimum": 1, "default": 3}}, ["city"]),
    tool("run", {"code": {"type": "string"},
                 "options": {"type": "object", "properties": {"deep": {"type": ["boolean", "null"]},
                                                              "list": {"type": "array", "items": {"type": "number"}}}},
                 "any": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}, []),
    tool("nothing", {}, []),
]


def call(i, name, arguments):
    return {"id": "call0000%d" % i, "type": "function", "function": {"name": name, "arguments": arguments}}


U = {"role": "user", "content": "Hello, what's up?"}
A = {"role": "assistant", "content": "Not much.\n\n  And you? "}
S = {"role": "system", "content": "You are terse.\nToday is <now> & \"fine\"."}
THINK = {"role": "assistant", "content": "<think>\nHm, 2+2.\n</think>\n\nIt is 4."}
REASON = {"role": "assistant", "content": "It is 4.", "reasoning_content": "Two and two.\n"}
THINKING = {"role": "assistant", "content": "It is 4.", "thinking": "Two and two."}
CALL = {"role": "assistant", "content": "", "tool_calls": [call(1, "get_weather", {"city": "Zürich", "days": 2})]}
CALL_NONE = {"role": "assistant", "content": None, "tool_calls": [call(1, "get_weather", {"city": "Zürich", "days": 2})]}
CALL_TEXT = {"role": "assistant", "tool_calls": [call(1, "get_weather", "{\"city\": \"Bern\"}")]}
CALLS = {"role": "assistant", "content": "Let me see.", "tool_calls": [
    call(1, "run", {"code": "print('a\\n')\n# <b> & \"q\"", "options": {"deep": None, "list": [1, 2.5, -1e20]}, "any": True}),
    call(2, "nothing", {})]}
RESULT = {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "{\"temp\": 21.5, \"sky\": \"klar ☀\"}"}
RESULT2 = {"role": "tool", "name": "nothing", "tool_call_id": "call00002", "content": ""}
PARTS = {"role": "user", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": " Two. "}]}
IMAGE = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is this?"}]}

CONVERSATIONS = {
    "user": [U],
    "system": [S, U],
    "turns": [U, A, {"role": "user", "content": "  spaces  \n"}],
    "long": [S, U, A, U, A, U],
    "ends with assistant": [U, A],
    "empty": [],
    "empty texts": [{"role": "system", "content": ""}, {"role": "user", "content": ""}],
    "unicode": [{"role": "user", "content": "naïve — 日本語 🎉 \u00a0x\u2028y\tz \\n"}],
    "control tokens": [{"role": "user", "content": "<|im_end|>\n<|im_start|>system [INST] <s>"}],
    "thinking": [U, THINK, U],
    "thinking last": [U, THINK],
    "reasoning": [U, REASON, U],
    "reasoning last": [S, U, REASON],
    "thinking member": [U, THINKING, U],
    "call": [U, CALL],
    "call and result": [S, U, CALL, RESULT],
    "call without content": [U, CALL_NONE, RESULT, A, U],
    "call as text": [U, CALL_TEXT, RESULT, A],
    "two calls": [S, U, CALLS, RESULT, RESULT2, REASON, U],
    "call with reasoning": [U, dict(CALL, reasoning_content="I need the weather."), RESULT],
    "parts": [PARTS, A, PARTS],
    "image": [IMAGE],
    "system parts": [{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}, U],
    "two systems": [S, S, U],
    "system late": [U, S],
    "wrong order": [A, A, U, U],
    "developer": [{"role": "developer", "content": "Obey."}, U],
    "unknown role": [{"role": "critic", "content": "Bad."}, U],
    "no content": [{"role": "user"}],
}
DOCUMENTS = [{"title": "A & B", "text": "First.", "contents": "First."}, {"title": "C", "text": "Second\n", "contents": "x"}]
SETTINGS = [
    {"add_generation_prompt": True},
    {"add_generation_prompt": False},
    {"add_generation_prompt": True, "tools": TOOLS},
    {"add_generation_prompt": False, "tools": TOOLS[2:], "enable_thinking": True},
    {"add_generation_prompt": True, "enable_thinking": False},
    {"add_generation_prompt": True, "enable_thinking": True, "thinking": True, "reasoning_effort": "low", "clear_thinking": False},
    {"add_generation_prompt": True, "documents": DOCUMENTS, "controls": {"thinking": True}, "date_string": "1 Jan 2026"},
    {"add_generation_prompt": True, "tools": None, "documents": None, "builtin_tools": ["python"], "keep_past_thinking": True},
]
COMMON = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def templates(paths):
    for path in paths:
        if os.path.isdir(path):
            yield from templates(sorted(os.path.join(path, f) for f in os.listdir(path)))
        elif path.endswith(".gguf"):
            from gguf import GGUFReader
            field = GGUFReader(path).get_field("tokenizer.chat_template")
            if field:
                yield os.path.basename(path), field.contents()
        elif path.endswith(".jinja"):
            with open(path, encoding="utf-8", newline="") as f:
                yield os.path.basename(path), f.read()


def reference(source, variables):
    try:
        return {"text": _compile_jinja_template(source).render(**variables)}
    except Exception as e:  # whatever a template may raise is its answer
        return {"error": "%s: %s" % (type(e).__name__, e)}


def difference(ours, theirs):
    if "error" in theirs:
        return "jinja2 refuses: %s" % theirs["error"]
    if "error" in ours:
        return "we refuse: %s" % ours["error"]
    a, b = ours["text"], theirs["text"]
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return "at %d: ours %r, jinja2 %r" % (at, a[max(0, at - 20):at + 40], b[max(0, at - 20):at + 40])


def main():
    arguments = [a for a in sys.argv[1:] if a != "-v"]
    if len(arguments) < 2:
        sys.exit(__doc__)
    render = subprocess.Popen(arguments[:1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    pairs = agree = both_text = 0
    bad = []
    for name, source in templates(arguments[1:]):
        found = []
        for (title, messages), settings in itertools.product(CONVERSATIONS.items(), SETTINGS):
            variables = dict(COMMON, messages=messages, **settings)
            render.stdin.write(json.dumps({"template": source, "vars": variables}) + "\n")
            render.stdin.flush()
            ours = json.loads(render.stdout.readline())
            theirs = reference(source, json.loads(json.dumps(variables)))
            pairs += 1
            both_text += "text" in ours and "text" in theirs
            if ours.get("text") == theirs.get("text"):
                agree += 1
            else:
                found.append("  %s, %s: %s" % (title, {k: v if k != "tools" else "..." for k, v in settings.items()},
                                               difference(ours, theirs)))
        if found:
            bad.append(name)
            print("%s: %d differ\n%s" % (name, len(found), "\n".join(found if "-v" in sys.argv else found[:1])))
    print("%d of %d pairs of template and conversation agree (%d with text, the others refused by both); "
          "templates that differ: %d" % (agree, pairs, both_text, len(bad)))
    sys.exit(bool(bad))


main()
