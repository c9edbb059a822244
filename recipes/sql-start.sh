#!/bin/sh
# sql-start.sh - how adapters/sql is made, the adapter that agents for databases start from. Stopped, it goes on where it
# was. Usage: recipes/sql-start.sh WIKISQL_QUESTIONS WIKISQL_TABLES WIKITQ_QUESTIONS WIKITQ_TABLES WORK OUT
# (the train splits in this project's form: see recipes/sql-rows.sh, which makes the rows.)
#
# 68 million tokens in one pass: for a graphics card. On 2 cores SHARE=50 makes a smaller one in about three hours.
# TUNE: more options of `cmat tune`, such as where it runs.
set -eu
cmat=${CMAT:-build/src/cli/cmat} work=$5 out=$6
mkdir -p "$work"
[ -f "$work/valid.jsonl" ] || SHARE=${SHARE:-2} recipes/sql-rows.sh "$1" "$2" "$3" "$4" "$work"
$cmat tune "$work/rows.jsonl" --valid "$work/valid.jsonl" --out "$work/tuned" --rank 32 --alpha 64 --lr 1e-3 \
    --schedule linear --epochs 1 --batch-tokens 8192 --grad-accum 2 --eval-every 300 ${TUNE:-}
$cmat export --format peft-f16 "$work/tuned" "$out"
