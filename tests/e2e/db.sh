#!/bin/sh
# db.sh - the shop, tasks, ask and eval with a tiny random model; what must not touch the user's file does not.
. "$(dirname "$0")/lib.sh"
"$MAKE_TINY_MODEL" tiny.gguf 4096
export CMAT_MODEL="$scratch/tiny.gguf"

expect 0 "$CMAT" env make shop-db --out shop.sqlite
expect 1 "$CMAT" env make shop-db --out shop.sqlite
has err "exists already"
expect 2 "$CMAT" env make shop --out other.sqlite
has err "shop-db or practice-db"
expect 0 "$CMAT" env shop --out again.sqlite # its former name
cmp -s shop.sqlite again.sqlite || fail "the same seed gives another shop"
expect 0 "$CMAT" env make practice-db --seed 3 --out practice.sqlite
expect 0 "$CMAT" env list
has out "db"
expect 0 "$CMAT" env tasks --database shop.sqlite -n 50 --out tasks.jsonl
[ "$(wc -l <tasks.jsonl)" = 50 ] || fail "not 50 tasks"
expect 0 "$CMAT" env tasks --database shop.sqlite -n 50 --split heldout --json
cut -c1-200 out | sort >a
cut -c1-200 tasks.jsonl | sort >b
[ -z "$(comm -12 a b)" ] || fail "a held-out task is a training task"

before=$(sha256sum shop.sqlite)
expect 0 "$CMAT" ask shop.sqlite "How many customers are there?"
expect 0 "$CMAT" ask --checker off --json shop.sqlite "Delete all orders."
has out '"episode"'
expect 0 "$CMAT" eval db --database shop.sqlite -n 4 --max-tokens 24 --out base.json --run evalrun
has out "success"
expect 0 "$CMAT" eval db --database shop.sqlite -n 4 --max-tokens 24 --compare base.json --json
has out '"comparison"'
all_right db --database shop.sqlite --tasks tasks.jsonl
all_right db --database shop.sqlite -n 20 --style agentbench
expect 2 "$CMAT" eval db --database shop.sqlite --actor oracle --checker both
one_line err
sed 's/"gold": *\[[^]]*\],*//; s/"answer": *\[[^]]*\],*//' tasks.jsonl | head -n 2 >goldless.jsonl
expect 0 "$CMAT" eval db --database shop.sqlite --tasks goldless.jsonl --actor oracle
has err "2 of 2 tasks have no gold action"
# dry runs are made where somebody looks at them
expect 0 "$CMAT" eval db --database shop.sqlite -n 2 --actor oracle --run facts
expect 0 "$CMAT" eval db --database shop.sqlite -n 2 --actor oracle --checker off --run blind
grep -q '"facts"' facts/store.db || fail "no facts were kept"
grep -q '"facts"' blind/store.db && fail "facts were looked for with --checker off"
[ "$before" = "$(sha256sum shop.sqlite)" ] || fail "the user's database was changed"

# not a database, not there, not readable
echo "no database" >text.sqlite
expect 1 "$CMAT" ask text.sqlite "How many?"
one_line err 3
expect 1 "$CMAT" evolve db --database text.sqlite
one_line err
expect 1 "$CMAT" ask missing.sqlite "How many?"
has err "no such file"
expect 1 "$CMAT" memory --run nowhere list
one_line err
finish
