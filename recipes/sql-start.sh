#!/bin/sh
# sql-start.sh - how adapters/sql is made, the adapter that agents for databases start from: about two and a half hours
# on 2 cores. Stopped, it goes on where it was. Usage: recipes/sql-start.sh QUESTIONS.jsonl TABLES.jsonl WORK OUT
# (WikiSQL's train split in this project's form: see docs/FORMATS.md; BSD-3-Clause, tables also MIT from TabFact.)
#
# Step 1 learns from WikiSQL's questions and generated changes on its tables. Step 2 mixes more of these with worked
# questions about 500 practice databases of 24 kinds (`cmat env domain`; never a shop, which the demo holds out), 12 each.
set -eu
cmat=${CMAT:-build/src/cli/cmat}
questions=$1 tables=$2 work=$3 out=$4
mkdir -p "$work"

[ -f "$work/train.jsonl" ] || $cmat env tasks --questions "$questions" --tables "$tables" -n 1300 --inserts 900 \
    --updates 900 --seed 11 -o "$work/train.jsonl"
[ -f "$work/valid.jsonl" ] || $cmat env tasks --questions "$questions" --tables "$tables" -n 30 --inserts 30 \
    --updates 30 --seed 12 -o "$work/valid.jsonl"
$cmat evolve db --tasks "$work/train.jsonl" --valid "$work/valid.jsonl" --heldout "$work/valid.jsonl" --run "$work/run" \
    --first-tasks 2200 --valid-tasks 60 --heldout-tasks 60 --rounds 1 --max-tokens 200 --max-steps 2 --max-rejects 1 \
    --retry reason

if [ ! -f "$work/rows.jsonl" ]; then
    rows() { # SEED N SPLIT FILE: of one practice database
        rm -f "$work/practice.sqlite"
        $cmat env domain --seed "$1" --out "$work/practice.sqlite"
        $cmat env tasks --quiet --database "$work/practice.sqlite" -n "$2" --split "$3" --seed "$1" --rows -o "$work/some.jsonl"
        cat "$work/some.jsonl" >> "$4"
    }
    $cmat env tasks --questions "$questions" --tables "$tables" -n 430 --inserts 470 --updates 250 --seed 21 --rows \
        -o "$work/all.jsonl"
    for seed in $(seq 101 600); do rows "$seed" 12 train "$work/all.jsonl"; done
    $cmat env tasks --questions "$questions" --tables "$tables" -n 10 --inserts 10 --updates 10 --seed 22 --rows \
        -o "$work/check.jsonl"
    for seed in $(seq 901 906); do rows "$seed" 10 heldout "$work/check.jsonl"; done
    mv "$work/all.jsonl" "$work/rows.jsonl"
fi
$cmat tune "$work/rows.jsonl" --valid "$work/check.jsonl" --adapter "$work/run/adapters/actor" --out "$work/tuned" --lr 1e-3 \
    --schedule linear --eval-every 150 --save-every 25
$cmat export --format peft-f16 "$work/tuned" "$out"
