#!/bin/sh
# compare-methods.sh - tuning methods on the same rows, measured on the same held-out tasks: questions that count, sum
# or average over a practice database. docs/METHODS.md has its figures. Usage: recipes/compare-methods.sh WORK [METHOD...]
# (a METHOD: lora, dora, p-tuning, p-tuning-lstm, prompt-tuning, prefix-tuning, prefix-tuning-mlp). What is there in WORK
# already is kept, so it may be stopped and started again.
set -eu
cmat=${CMAT:-build/src/cli/cmat} n_rows=${ROWS:-450} epochs=${EPOCHS:-1} work=$1
shift
[ $# -gt 0 ] || set -- lora p-tuning prefix-tuning
mkdir -p "$work"

# The first N tasks of the family out of what `cmat env tasks` makes: NAME N OPTION...
tasks() {
    name=$1 n=$2
    shift 2
    $cmat env tasks --quiet --database "$work/practice.sqlite" --out "$work/all.jsonl" "$@"
    grep -E '"kind": ?"(count_[a-z_]*|sum|average|min|max)"' "$work/all.jsonl" | head -n "$n" > "$work/$name.jsonl"
    rm "$work/all.jsonl"
}

[ -f "$work/practice.sqlite" ] || $cmat env make practice-db --quiet --seed 501 --out "$work/practice.sqlite"
[ -f "$work/rows.jsonl" ] || tasks rows "$n_rows" -n 6000 --rows
[ -f "$work/valid.jsonl" ] || tasks valid 40 -n 500 --rows --split valid
[ -f "$work/heldout.jsonl" ] || tasks heldout 150 -n 1500 --split heldout

measure() { # NAME [OPTION...]
    name=$1
    shift
    [ -f "$work/$name.json" ] || $cmat eval db --quiet --database "$work/practice.sqlite" --tasks "$work/heldout.jsonl" \
        --checker off --max-steps 2 --max-tokens 96 --seed 1 --out "$work/$name.json" "$@" > "$work/$name.txt"
    printf '%-18s ' "$name"
    grep -m 1 'all tasks' "$work/$name.txt"
}

measure untuned
for method; do
    case $method in
    *-lstm | *-mlp) set -- --method "${method%-*}" --encoder "${method##*-}" ;;
    *) set -- --method "$method" ;;
    esac
    $cmat tune "$work/rows.jsonl" --valid "$work/valid.jsonl" --out "$work/$method" --quiet --epochs "$epochs" \
        --batch-tokens 1024 "$@"
    measure "$method" --actor "$work/$method" --compare "$work/untuned.json"
done
