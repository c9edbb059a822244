#!/bin/sh
# evolve.sh - the whole loop with a tiny random model, then the same with kill -9 at several moments: the end is the same.
. "$(dirname "$0")/lib.sh"
"$MAKE_TINY_MODEL" tiny.gguf 4096
export CMAT_MODEL="$scratch/tiny.gguf"
"$CMAT" env make shop-db --out shop.sqlite || fail "no shop"
options="--database shop.sqlite --first-tasks 8 --round-tasks 2 --samples 2 --valid-tasks 4 --heldout-tasks 4 --rounds 2
--max-tokens 16 --rank 4 --batch-tokens 1024 --quiet"

started=$(date +%s%N)
expect 0 "$CMAT" evolve db $options --run whole
took=$((($(date +%s%N) - started) / 1000000)) # ms
has out "untuned"
[ -s whole/report.html ] || fail "no report"
[ -s whole/summary.json ] || fail "no summary"
expect 0 "$CMAT" evolve db $options --run whole
expect 1 "$CMAT" evolve db $options --lr 0.5 --run whole
has err "another options.lr"

# killed again and again, going on each time for a few more hundredths of what the whole run took
kill_often() {
    for part in 10 15 20 25 30 35; do
        ms=$((took * part / 100))
        timeout -s KILL "$((ms / 1000)).$(printf %03d $((ms % 1000)))" "$CMAT" evolve db $options --run killed >/dev/null 2>&1
        sleep 0.05 # until the lock of the dead process is gone
    done
    :
}
beside kills kill_often
# from adapters that are there: measured first, and shipped as they are where tuning brings nothing
expect 0 "$CMAT" evolve db $options --rounds 1 --start whole/rounds/1/actor --start-checker whole/rounds/1/actor --run started
grep -q '"choose-actor-0"' started/state.json || fail "the start adapter was not measured"
grep -q '"choose-checker-0"' started/state.json || fail "the Checker's start adapter was not measured"
cmp -s started/adapters/actor/adapter_model.safetensors whole/rounds/1/actor/adapter_model.safetensors ||
    cmp -s started/adapters/actor/adapter_model.safetensors started/rounds/1/actor/adapter_model.safetensors ||
    fail "neither the start adapter nor the tuned one was shipped"
all_done
expect 0 "$CMAT" evolve db $options --run killed
[ -z "$(find killed -name '*.tmp-*')" ] || echo "note: parts of killed writes remain under temporary names"
for f in $(cd whole && find rounds -name 'adapter_model.safetensors' -o -name '*.jsonl' -path '*rounds/?/actor.jsonl' -o -name checker.jsonl) tasks-train.jsonl; do
    cmp -s "whole/$f" "killed/$f" || fail "$f differs after kills"
done
expect 1 "$CMAT" evolve db $options --start nowhere --run none

# another world than a database: several steps an episode, nothing to name
expect 0 "$CMAT" evolve house --first-tasks 4 --round-tasks 2 --samples 1 --valid-tasks 4 --heldout-tasks 4 --rounds 2 \
    --max-tokens 8 --max-steps 3 --rank 4 --batch-tokens 1024 --quiet --json
[ -s runs/env-house/report.html ] || fail "no report of the house"
has out '"env": "house"'
grep -q "An agent for house" runs/env-house/report.html || fail "the report does not name its environment"
expect 2 "$CMAT" evolve kg
has err "a graph"
expect 1 "$CMAT" evolve kg --world nowhere.nt
one_line err
expect 1 "$CMAT" evolve db $options --tasks nowhere.jsonl --run nowhere
one_line err
[ -e runs/nowhere ] || [ -e nowhere ] && fail "a run folder was left for a world that is not there"
expect 0 "$CMAT" memory --run whole list
expect 0 "$CMAT" report --json whole
has out '"comparison"'

# a folder that cannot be written
if [ "$(id -u)" != 0 ]; then
    mkdir locked && chmod 555 locked
    expect 1 "$CMAT" evolve db $options --run locked/run
    one_line err
fi
finish
