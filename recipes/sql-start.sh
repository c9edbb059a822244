#!/bin/sh
# sql-start.sh - how adapters/sql and adapters/sql-checker are made, which agents for databases start from.
# Usage: recipes/sql-start.sh WIKISQL_QUESTIONS WIKISQL_TABLES WIKITQ_QUESTIONS WIKITQ_TABLES WORK OUT CHECKER_OUT
# (the train splits in this project's form: recipes/sql-rows.sh says which, and makes the rows.)
#
# For a graphics card: the Actor's 245,000 rows take 8 minutes on an NVIDIA H200, the Checker's 37 seconds. On 2 cores
# DEVICE=cpu SHARE=50 MINUTES=180 makes smaller ones.
set -eu
cmat=${CMAT:-build/src/cli/cmat} device=${DEVICE:-cuda} minutes=${MINUTES:-8} work=$5 out=$6 checker_out=$7
mkdir -p "$work"
[ -f "$work/checker-valid.jsonl" ] || recipes/sql-rows.sh "$1" "$2" "$3" "$4" "$work"
$cmat tune "$work/rows.jsonl" --valid "$work/valid.jsonl" --out "$work/actor" --device "$device" --keep f32 --rank 16 \
    --lr 1e-3 --schedule linear --warmup-steps 100 --batch-tokens 8192 --max-steps 5500 --max-minutes "$minutes" \
    --eval-every 500 --save-every 2000
shuf -n 16000 --random-source="$work/checker.jsonl" "$work/checker.jsonl" > "$work/checker-some.jsonl"
$cmat tune "$work/checker-some.jsonl" --valid "$work/checker-valid.jsonl" --out "$work/checker" --device "$device" --keep f32 \
    --rank 16 --lr 5e-4 --schedule linear --warmup-steps 100 --batch-tokens 8192 --max-steps 450 --eval-every 150
$cmat export --format peft-f16 "$work/actor" "$out"
$cmat export --format peft-f16 "$work/checker" "$checker_out"
