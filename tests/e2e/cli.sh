#!/bin/sh
# cli.sh - every command has help with examples; wrong use gives status 2 and one clear line.
. "$(dirname "$0")/lib.sh"

expect 2 "$CMAT"
expect 0 "$CMAT" --help
commands=$(sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p' out)
[ "$(echo "$commands" | wc -w)" -ge 14 ] || fail "only these commands: $commands"
for c in $commands; do
    [ "$c" = cmat ] && continue
    expect 0 "$CMAT" "$c" --help
    has out "Examples:"
    has out "usage: cmat $c"
    for f in $(grep -o 'recipes/[a-z-]*\.[a-z]*' out); do
        [ -e "$CMAT_TEST_ROOT/$f" ] || fail "$c --help names $f, which is not there"
    done
done
expect 0 "$CMAT" --version
has out "cmat "
expect 2 "$CMAT" nonsense
has err 'there is no command "nonsense"'
expect 2 "$CMAT" generate --temprature 1 hello
has err "did you mean temperature?"
expect 2 "$CMAT" generate --top-p 2 hello
has err "outside 0 to 1"
expect 0 "$CMAT" tune --help
has out "prefix-tuning|full" # however long the words are
expect 2 "$CMAT" env nonsense
expect 2 "$CMAT" evolve db
has err "--world FILE (an SQLite file, or a server's database: mysql://..., postgresql://...) is needed"
expect 0 "$CMAT" doctor
has out "processor"
expect 0 "$CMAT" doctor --json
has out '"kernels"'

# no model yet
expect 1 "$CMAT" generate hello
has err "cmat pull"
one_line err

# a model that is cut, or no model at all
"$MAKE_TINY_MODEL" tiny.gguf 512
head -c 3000 tiny.gguf >cut.gguf
expect 1 "$CMAT" generate --model cut.gguf hello
has err "cut.gguf"
one_line err
echo "this is text" >text.gguf
expect 1 "$CMAT" generate --model text.gguf hello
one_line err
expect 1 "$CMAT" pull text.gguf
one_line err

# a sound one
expect 0 "$CMAT" pull tiny.gguf --name tiny.gguf
expect 0 "$CMAT" generate --model tiny.gguf --max-tokens 8 --json hello
has out '"finish_reason"'
expect 0 "$CMAT" generate --model "$scratch/tiny.gguf" --max-tokens 8 --seed 3 --temperature 1 hello
cp out first
expect 0 "$CMAT" generate --model tiny.gguf --max-tokens 8 --seed 3 --temperature 1 hello
cmp -s out first || fail "the same seed gave another text"

# held to a form
expect 0 "$CMAT" generate --model tiny.gguf --choices "left,right" hello
grep -qE '^(left|right)$' out || fail "not one of the choices: $(cat out)"
echo '{"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}' > schema.json
expect 0 "$CMAT" generate --model tiny.gguf --json-schema schema.json hello
grep -qE '^{"ok": (true|false)}$' out || fail "does not fit the schema: $(cat out)"
printf 'root ::= "<" [0-9]{3} ">"\n' > three.gbnf
expect 0 "$CMAT" generate --model tiny.gguf --grammar three.gbnf --temperature 1 hello
grep -qE '^<[0-9]{3}>$' out || fail "does not fit the grammar: $(cat out)"
echo 'root ::= root "x" | "y"' > left.gbnf
expect 1 "$CMAT" generate --model tiny.gguf --grammar left.gbnf hello
has err 'line 1, column 1: rule "root" begins with itself'
one_line err
expect 2 "$CMAT" generate --model tiny.gguf --regex a --choices b hello
expect 1 "$CMAT" generate --model tiny.gguf --json-schema nothere.json hello

expect 0 "$CMAT" logprobs --model tiny.gguf --top 2 "hello"
has out '"perplexity"'
expect 1 "$CMAT" logprobs --model tiny.gguf --ids "[1, 999999]"
has err "no token id"
printf 'temperature: 0.5\ntop_x: 3\n' >bad.yaml
expect 1 "$CMAT" generate --config bad.yaml hello
has err "bad.yaml: line 2"

# a model in another type, read back and compared; what is too far off does not stay
expect 0 "$CMAT" export --model tiny.gguf --type Q8_0 q8.gguf
has out "mean KL"
expect 0 "$CMAT" export --model q8.gguf --format safetensors --json folder
has out '"mean_kl"'
[ -s folder/model.safetensors ] && [ -s folder/tokenizer.json ] || fail "no folder"
expect 1 "$CMAT" export --model tiny.gguf --type Q4_0 --max-kl 1e-12 q4.gguf
has err "too far from its source"
one_line err
[ -e q4.gguf ] || [ -e q4.gguf.unproved ] && fail "a file that was not proved stays"
expect 2 "$CMAT" export --model tiny.gguf --format peft out

# a full standard output
if [ -e /dev/full ]; then
    "$CMAT" doctor >/dev/full 2>err
    [ $? = 1 ] || fail "a full disk was not noticed"
    has err "standard output"
fi
finish
