#!/bin/sh
# sql-start.sh - how adapters/sql was made: WikiSQL's training questions and generated changes on its tables, one
# round, from the base model; about 40 minutes on 2 cores. Usage: recipes/sql-start.sh QUESTIONS.jsonl TABLES.jsonl OUT
# (WikiSQL's train split in this project's form: see docs/FORMATS.md; BSD-3-Clause, tables also MIT from TabFact.)
set -eu
cmat=${CMAT:-build/src/cli/cmat}
work=$(mktemp -d)
$cmat env tasks --questions "$1" --tables "$2" -n 1300 --inserts 900 --updates 900 --seed 11 -o "$work/train.jsonl"
$cmat env tasks --questions "$1" --tables "$2" -n 30 --inserts 30 --updates 30 --seed 12 -o "$work/valid.jsonl"
$cmat evolve db --tasks "$work/train.jsonl" --valid "$work/valid.jsonl" --heldout "${HELDOUT:-$work/valid.jsonl}" --run "$work/run" \
    --first-tasks 2200 --valid-tasks 60 --heldout-tasks 60 --rounds 1 --max-tokens 200 --max-steps 2 --max-rejects 1 --retry reason
$cmat export --format peft-f16 "$work/run/adapters/actor" "$3"
