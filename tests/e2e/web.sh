#!/bin/sh
# web.sh - the web in the program: tasks, a page by hand, eval with a tiny model in both styles with the
# figures of Mind2Web.
. "$(dirname "$0")/lib.sh"
"$CMAT" env list >list
if grep -q "^web.*not in this build" list; then
    expect 1 "$CMAT" env show web
    has err "libgumbo-dev"
    finish
fi
"$MAKE_TINY_MODEL" tiny.gguf 4096
export CMAT_MODEL="$scratch/tiny.gguf"

expect 0 "$CMAT" env show web
has out "has worked answers"
expect 0 "$CMAT" env tasks web -n 24 --out tasks.jsonl
expect 0 "$CMAT" env tasks web -n 24 --out again.jsonl
cmp -s tasks.jsonl again.jsonl || fail "the same seed gives other tasks"
sort -r tasks.jsonl >turned.jsonl
expect 0 "$CMAT" env show web --tasks tasks.jsonl
sum=$(sed -n 's/.*sha256 //p' out)
expect 0 "$CMAT" env show web --tasks turned.jsonl
[ "$sum" = "$(sed -n 's/.*sha256 //p' out)" ] || fail "the hash depends on the order"
expect 0 "$CMAT" env tasks web --tasks tasks.jsonl --rows --out rows.jsonl
[ "$(wc -l <rows.jsonl)" -ge 24 ] || fail "the oracle does not solve all 24"

# by hand: mistakes, completion's list, undo, a hint, and the end of input
grep '"site form"' tasks.jsonl >forms.jsonl
printf 'CLICK 77\nSELECT 1: x\nTYPE 2: Ada\n:undo\n:actions\n:hint\n' >keys
"$CMAT" env play web --tasks forms.jsonl -n 1 <keys >out 2>err || fail "play gives status $?"
has out "no element has that number"
has out "it is no list to select from"
has out 'now "Ada"'
has out "undone"
has out "TYPE 2: "
has out "score: 0"

all_right web --tasks tasks.jsonl
expect 0 "$CMAT" eval web --tasks tasks.jsonl -n 2 --max-steps 3 --max-tokens 24
has out "success"
cat >steps.jsonl <<'END'
{"demo": "x/click-button/a", "utterance": "Click ok", "steps": [{"op": "CLICK", "ref": 2, "value": "", "elements": [{"ref": 2, "tag": "button", "text": "ok"}, {"ref": 3, "tag": "button", "text": "no"}]}]}
{"demo": "x/enter-text/b", "utterance": "Enter x", "steps": [{"op": "TYPE", "ref": 1, "value": "x", "elements": [{"ref": 1, "tag": "input_text"}, {"ref": 3, "tag": "button", "text": "no"}]}, {"op": "CLICK", "ref": 3, "value": "", "elements": null}]}
END
for style in short agentbench; do
    expect 0 "$CMAT" eval web --tasks steps.jsonl --style $style --max-tokens 40
    has out "Mean element accuracy"
    has out "Mean action F1"
    has out "Means of 2 groups of steps"
done

expect 1 "$CMAT" env tasks web --tasks nowhere
one_line err
echo '{"instances": [{}]}' >bad.json
expect 1 "$CMAT" env tasks web --tasks bad.json
one_line err
expect 2 "$CMAT" env play web --world firefox
one_line err
finish
