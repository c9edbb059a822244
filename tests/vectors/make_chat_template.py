#!/usr/bin/env python3
"""Makes chat_template.json: templates, variables and what jinja2 renders, with the settings of transformers.

usage: make_chat_template.py > chat_template.json   (needs: pip install jinja2)"""
import json
import sys

import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


FAMILIES = {
    "smollm2": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "chatml": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "llama3": """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- This block extracts the system message, so we can slot it into the right place. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{#- System message + builtin tools #}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if builtin_tools is defined or tools is not none %}
    {{- "Environment: ipython\n" }}
{%- endif %}
{%- if builtin_tools is defined %}
    {{- "Tools: " + builtin_tools | reject('equalto', 'code_interpreter') | join(", ") + "\n\n"}}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\n" }}
{{- "Today Date: " + date_string + "\n\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {{- "You have access to the following functions." }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}

{%- if tools_in_user_message and not tools is none %}
    {%- if messages | length != 0 %}
        {%- set first_user_message = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("Cannot put tools in the first user message when there's no first user message!") }}
{%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\n\n' -}}
    {{- "Given the following functions, respond with a JSON for a function call.\n\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\n\n" }}
    {%- endfor %}
    {{- first_user_message + "<|eot_id|>"}}
{%- endif %}

{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
""",
    "qwen2.5": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.' }}
    {%- endif %}
    {{- "\\n\\n# Tools\\n\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools>\\n{\\"name\\": <function-name>}<|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are Qwen.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    "qwen3": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<tool_call>\\n{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}""",
    "mistral": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("Tool call IDs should be alphanumeric strings with length 9!") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {{- "]" + eos_token if loop.last else ", " }}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool_results" or message["role"] == "tool" %}
        {%- set content = message.content.content if message.content is mapping and message.content.content is defined else message.content %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + ", " }}
        {{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
""",
    "gemma": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '
' + message['content'] | trim + '<end_of_turn>
' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model
'}}{% endif %}""",
    "phi3": """{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'user' %}{{'<|user|>
' + message['content'] + '<|end|>
'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>
' + message['content'] + '<|end|>
'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>
' }}{% else %}{{ eos_token }}{% endif %}""",
    "zephyr": """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{% generation %}{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endgeneration %}

{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
""",
}

TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Wetter für \"Orte\" <b>&</b> é",
          "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer",
          "minimum": 1, "maximum": 1.5e20, "ok": True, "none": None, "list": [], "map": {}, "x": 0.1}}, "required": ["city"]}}}]
CALL = {"id": "abcdef123", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich \"\n\"", "days": 2}}}
CONVERSATIONS = {
    "one": [{"role": "user", "content": "Hi there!"}],
    "system": [{"role": "system", "content": " Be brief.\n"}, {"role": "user", "content": "  1+1? \n"},
               {"role": "assistant", "content": "\n 2 \n"}, {"role": "user", "content": "日本語 😀 \\ ' \""}],
    "thought": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nA"},
                {"role": "user", "content": "Q2"}, {"role": "assistant", "content": "<think>\nhm2\n</think>\n\nA2"}],
    "tools": [{"role": "user", "content": "Weather?"}, {"role": "assistant", "content": "", "tool_calls": [CALL]},
              {"role": "tool", "content": "{\"t\": 20}", "tool_call_id": "abcdef123"},
              {"role": "assistant", "content": "20 degrees"}, {"role": "user", "content": "thanks"}],
    "bad order": [{"role": "assistant", "content": "x"}, {"role": "system", "content": "y"}],
    "empty": [],
}

SNIPPETS = [
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "  {%- if x is defined -%}  y {%- endif %}  z\n\n", "x {# c #} y\n{# c #}\nz\n",
    "x {#- c -#} y", "{%+ if true %}\n a{% endif +%}\n b", "{{ 'a' }}\n{{ 'b' }}\n", "\r\na\r\n{{ 'c\r\nd' }}", "  {{ 1 }}\n\t{% set a = 1 %}\t\n{{ a }}",
    "{% raw %}{{ not }} {% this %}{% endraw %}!", "{%- raw -%}  a {{ }}  {%- endraw -%}  b",
    "{{ 1 + 2 * 3 - 4 // 3 % 2 }} {{ 7 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 1.0 * 3 }} {{ 1e20 }} {{ 1.5e-7 }} {{ 0.1 + 0.2 }} {{ 100000.0 }}",
    "{{ 1 ~ 'a' ~ none ~ true ~ 1.5 ~ [1, 'x', none] ~ {'k': 'it\\'s'} }} {{ (1,) }} {{ (1, 2) }} {{ () }}",
    "{{ 1 < 2 < 3 }} {{ 1 < 2 > 5 }} {{ 'a' in 'cat' }} {{ 'k' not in {'k': 1} }} {{ not 1 == 2 }} {{ 2 in [1, 2] }} {{ none is none }}",
    "{{ 'yes' if 1 else 'no' }} {{ 'x' if false }} {{ 1 and 0 or 'd' }} {{ '' or 'e' }} {{ a.b if a is defined else 'none' }}",
    "{% for i in range(5) %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a', 'b') }} {% endfor %}",
    "{% for i in range(10) if i % 2 %}{{ i }}{{ loop.index }} {% else %}none{% endfor %}{% for i in [] %}x{% else %}none{% endfor %}",
    "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for a, b in {'x': 1, 'y': 2}.items() %}{{ a }}={{ b }};{% endfor %}{% for k in {'x': 1} %}{{ k }}{% endfor %}{% for c in 'añ😀' %}[{{ c }}]{% endfor %}",
    "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 5 %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}",
    "{% set ns = namespace(n=0, s='') %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% set ns.s = ns.s ~ i %}{% endfor %}{{ ns.n }} {{ ns.s }}",
    "{% macro m(a, b='x', c=none) %}[{{ a }}|{{ b }}|{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(b=2, a=1) }}{{ m(1)|upper }}",
    "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% macro w(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call w('b') %}in{% endcall %}{% filter upper %}abc{% endfilter %}",
    "{% set t %}\n  hello {{ 1 }}\n{% endset %}[{{ t }}]{% set u | trim | upper %}  q {% endset %}[{{ u }}]{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{{ 'abcdef'[1:3] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[-2:] }} {{ 'abcdef'[4:1:-2] }} {{ 'añ😀x'[2] }} {{ 'añ😀x'[-1] }} {{ [1, 2, 3, 4][1:] }} {{ [1, 2, 3][::-1] }} {{ [1, 2, 3][:-1] }} {{ [1, 2][5:] }} {{ 'abc'[-10:2] }}",
    "{{ ' a b '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'a,b,,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a b c'.split(' ', 1) }}|{{ 'a.b.c'.rsplit('.', 1) }}|{{ 'a\\nb\\n'.splitlines() }}",
    "{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'aBc dEf'.upper() }} {{ 'aBc'.lower() }} {{ 'aBc dEf'.title() }} {{ 'aBC'.capitalize() }} {{ 'aXbX'.replace('X', '--') }} {{ 'aXbX'.replace('X', '', 1) }} {{ 'héllo'.find('l') }} {{ 'aXbX'.count('X') }} {{ '-'.join(['a', 'b']) }} {{ '12'.isdigit() }} {{ '{} {1} {x} {{}}'.format(1, 2, x=3) if false else '{0}-{x}'.format(1, x=2) }} {{ 'a=b=c'.partition('=') }} {{ 'prefix'.removeprefix('pre') }}",
    "{{ {'a': 1, 'b': [1]}.get('a') }} {{ {'a': 1}.get('z') }} {{ {'a': 1}.get('z', 'd') }} {{ {'a': 1}.keys() | list }} {{ {'a': 1}.values() | list }} {{ {'a': {'b': 2}}.a.b }} {{ {'a': 1}['a'] }} {{ {'a': 1}.zzz }} {{ {'items': 3}['items'] }}",
    "{{ d | tojson }}\n{{ d | tojson(indent=2) }}\n{{ d | tojson(separators=(',', ':'), sort_keys=true) }} {{ 'a\\u0001é\"\\\\/</script>' | tojson }} {{ [] | tojson(indent=2) }}{{ {} | tojson(indent=2) }}",
    "{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A'] | sort(case_sensitive=true, reverse=true) }} {{ {'b': 1, 'A': 2} | dictsort }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }} {{ [1, 2, 1] | unique | list }} {{ [1, 2] | sum }} {{ [1, 5, 2] | max }} {{ [4, 1] | min }} {{ [1, 2] | reverse | list }} {{ 'abc' | reverse }}",
    "{{ [1, 2] | first }} {{ [1, 2] | last }} {{ 'abc' | list }} {{ 'añ' | length }} {{ [1, 2] | join('-') }} {{ [{'n': 1}, {'n': 2}] | join(',', attribute='n') }} {{ x | default('d') }} {{ '' | default('d') }} {{ '' | default('d', true) }} {{ none | default('d') }} {{ {'a': 1} | items | list }}",
    "{{ ms | map(attribute='role') | join(' ') }} {{ ['a', 'b'] | map('upper') | list }} {{ ms | selectattr('role', 'equalto', 'user') | map(attribute='content') | list }} {{ ms | rejectattr('role', 'in', ['user']) | list | length }} {{ ms | selectattr('x') | list }} {{ ms | selectattr('x', 'defined') | list | length }} {{ [1, 2, 3] | select('odd') | list }} {{ [1, 2, 3] | reject('equalto', 2) | list }} {{ [0, 1] | select | list }} {{ [1] | map('string') | list }} {{ ms | map(attribute='q', default='?') | join }}",
    "{{ '12' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ '1.9' | int }} {{ 3.9 | int }} {{ '2.5' | float }} {{ -3 | abs }} {{ (-3) | abs }} {{ 5 | string ~ 'x' }} {{ true | int }}",
    "[{{ ' x ' | trim }}] {{ 'x' | upper }} {{ 'aB' | lower }} {{ 'hello world' | title }} {{ 'hello' | capitalize }} {{ 'aXb' | replace('X', 'y') }} {{ 'a\nb\n\nc\n' | indent(2) }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent('> ', false, true) }}|{{ '<a>' | e }}|{{ '<a>' | safe }}",
    "{{ 1 is number }} {{ 1.0 is float }} {{ true is number }} {{ 1 is integer }} {{ true is integer }} {{ 's' is string }} {{ [] is sequence }} {{ {} is mapping }} {{ 's' is iterable }} {{ none is none }} {{ q is defined }} {{ q is undefined }} {{ true is true }} {{ 1 is true }} {{ false is false }} {{ true is boolean }} {{ 3 is odd }} {{ 3 is even }} {{ 4 is divisibleby 2 }} {{ 1 is eq 1 }} {{ 1 is equalto(1) }} {{ 1 is in [1] }} {{ 1 is not none }} {{ 'a' is lower }} {{ 'A' is upper }} {{ 1 is lt 2 }} {{ q is iterable }} {{ 1 is not string and 2 is number }}",
    "{{ q }}|{{ q | length }}|{% for i in q %}x{% endfor %}|{{ q ~ 'x' }}|{{ not q }}|{{ q == none }}|{{ [q] | length }}",
    "{{ 'a' 'b' \"c\" }} {{ 'tab\\tnl\\\\n\\x41\\u00e9' }} {{ \"it's\" }} {{ ['it\\'s', '\"', '\\n'] }}",
    "{{ [1, 2] + [3] }} {{ 'ab' * 3 }} {{ 1_000 }} {{ +5 }} {{ - 5 }} {{ not true }} {{ [[1, [2]], {'a': (1, 2)}] }}",
    "{%- set x = {'a': 1, 'b': 2} -%}{{ x.a + x['b'] }}{{ dict(a=1, b='x') }}{{ range(2, 10, 3) | list }}{{ range(3, 0, -1) | list }}",
    "{% if a %}1{% elif b is defined %}2{% elif true %}3{% else %}4{% endif %}{{ [1, 2, 3].0 }}{{ ms[0].role }}{{ ms[-1]['role'] }}{{ ms[9] }}",
    "{{ 'x' if ms[0]['role'] == 'user' and ms | length > 1 else 'y' }}{{ '%' }}{{ '}}' }}{{ {'a': {'b': 1}} }}",
    "{% for m in ms %}{%- if loop.previtem is defined and loop.previtem.role == m.role %}same{% endif -%} {{ m.role }}\n{% endfor %}",
    # what select, map, reverse and items give is a generator
    "{% set g = ms | selectattr('zzz') %}{% if g %}true{% endif %}{% for x in g %}x{% else %}none{% endfor %}",
    "{% set g = ms | map(attribute='role') %}{% for x in g %}{{ x }}{{ loop.length }}{% endfor %}-{% for x in g %}{{ x }}{% endfor %}{{ g | list }}",
    "{{ ms | selectattr('x') | length }}",
    "{{ ms | map(attribute='role') | tojson }}",
    "{{ [1, 2] | reverse | last }}",
    "{{ ([1, 2] | reverse)[0] is defined }} {{ [1] | map('string') is sequence }} {{ [1] | map('string') is iterable }} {{ [1, 2] | reverse | first }} {{ 2 in [1, 2] | reverse }}",
    "{{ none | selectattr('x') | list }}{{ none | map('upper') | list }}{{ 0 | select | list }}{{ '' | reject | list }}",
    "{{ d | tojson(ensure_ascii=true) }}{{ '😀é\u007f' | tojson(true) }}",
    "{{ '<' | safe + '<' }}{{ '<a>' + ('<b>' | safe) + '\"' }}{{ '<' | safe ~ '<' }}{{ '<' | e | e }}{{ ('<' | e) + '<' }}",
    "{% if false %}{{ q | from_json }}{% endif %}{{ 'a' if true else q | from_json }}{{ q | from_json if false else 'b' }}{% if false %}{{ q is strange }}{% endif %}",
    "{{ 'naïve ÄÖ — ñandú'.upper() }} {{ 'ÀÉÎ ÑΩ' | lower }} {{ 'éa b-c d.e (f its' | title }} {{ 'éa b-c d.e its'.title() }} {{ 'élan VITAL' | capitalize }} {{ ['b', 'Á', 'á'] | sort }}",
    "{{ 2 * 'ab' }}{{ [1] * 2 }}{{ 2 * (1, 2) }}{{ 'x' * true }}{{ [1] * -1 }}",
    "{{ 'a\r\nb\rc\n' | indent(2) }}|{{ 'a\r\n\nb' | indent(1, true, true) }}",
    "{{ none | indent }}",
    "{{ [1, 2] | sum(start=3) }} {{ [1.5] | sum }} {{ [{'k': 1, 'n': 'a'}, {'k': 1, 'n': 'b'}] | max(attribute='k') }} {{ [{'k': 1, 'n': 'a'}, {'k': 1, 'n': 'b'}] | min(attribute='k') }} {{ ['b', 'A'] | max }}",
]
VARS = {"d": {"b": [1, 2.5, None, True], "a": {"é": "\u2028<>&'"}, "e": {}}, "ms": [{"role": "user", "content": "a", "x": 1}, {"role": "tool", "content": "b"}]}


def case(env, name, template, variables):
    out = {"name": name, "template": template, "vars": variables}
    try:
        out["output"] = env.from_string(template).render(**variables)
    except Exception as e:  # the template refuses the conversation
        out["error"] = str(e)
    return out


def main():
    env = environment()
    cases = []
    for family, template in FAMILIES.items():
        for name, messages in CONVERSATIONS.items():
            for prompt in (True, False):
                v = {"messages": messages, "add_generation_prompt": prompt, "bos_token": "<s>", "eos_token": "</s>",
                     "tools": TOOLS if name == "tools" else None}
                if name == "system" and prompt:
                    v["enable_thinking"] = False
                cases.append(case(env, f"{family} {name} {prompt}", template, v))
    for i, s in enumerate(SNIPPETS):
        c = case(env, f"snippet {i}", s, VARS)
        if "error" in c:
            print("snippet", i, c["error"], file=sys.stderr)
        cases.append(c)
    json.dump(cases, sys.stdout, ensure_ascii=False, indent=0)
    print()


if __name__ == "__main__":
    main()
