#!/bin/sh
# methods.sh - each tuning method from rows to an adapter, by every command that takes one; killed and gone on with.
. "$(dirname "$0")/lib.sh"
"$MAKE_TINY_MODEL" tiny.gguf 4096
export CMAT_MODEL="$scratch/tiny.gguf"
"$CMAT" env make shop-db --out shop.sqlite || fail "no shop"
expect 0 "$CMAT" env tasks --database shop.sqlite -n 12 --rows --out rows.jsonl
options="--quiet --max-steps 5 --save-every 1 --valid-share 0.2 --batch-tokens 2560"
lstm="--method p-tuning --encoder lstm --encoder-hidden 16 --virtual-tokens 12"

beside lstm "$CMAT" tune $options $lstm --out lstm rows.jsonl
beside mlp "$CMAT" tune $options --method p-tuning --encoder-hidden 16 --out mlp --json rows.jsonl
beside prompt "$CMAT" tune $options --method prompt-tuning --init-text "You write SQL." --out prompt rows.jsonl
beside prefix "$CMAT" tune $options --method prefix-tuning --out prefix rows.jsonl
beside dora "$CMAT" tune $options --method dora --rank 4 --out dora rows.jsonl
all_done
has mlp.out '"eval_loss"'
has dora/adapter_config.json '"use_dora": true'
has lstm/adapter_config.json '"P_TUNING"'
has prefix/adapter_config.json '"PREFIX_TUNING"'

# beside what follows: the whole loop, a learning rate
beside loop "$CMAT" evolve db --database shop.sqlite --first-tasks 6 --round-tasks 2 --samples 1 --valid-tasks 4 --heldout-tasks 4 \
    --rounds 2 --max-tokens 16 --batch-tokens 1024 --quiet --run loop $lstm
for a in lstm mlp prompt prefix dora; do
    expect 0 "$CMAT" generate --adapter $a --max-tokens 6 "SELECT"
    expect 0 "$CMAT" logprobs --adapter $a "SELECT name"
    cp out $a.logprobs
    expect 1 "$CMAT" export $a $a.gguf
    has err "GGUF has no form"
done
expect 0 "$CMAT" eval db --database shop.sqlite -n 2 --max-tokens 8 --actor lstm --json
echo hello | "$CMAT" chat --adapter prefix --max-tokens 4 >out 2>err || fail "chat with a prefix"
MALLOC_PERTURB_=179 expect 0 "$CMAT" tune $options --adapter lstm --out lstm-on rows.jsonl
[ -s lstm-on/encoder.safetensors ] || fail "the encoder was not gone on with"
cmp -s lstm.logprobs mlp.logprobs && fail "two adapters give the same"

all_done
has loop/rounds/1/actor/adapter_config.json '"P_TUNING"'
expect 0 "$CMAT" ask shop.sqlite "How many orders are there?" --run loop
beside lr "$CMAT" tune --quiet --max-steps 10 --batch-tokens 4096 --find-lr --find-lr-from 1e-4 rows.jsonl

# rows as they will be learned, curves
expect 0 "$CMAT" data preview --rows 1 rows.jsonl
has out "«"
grep -q "$(printf '\033')" out && fail "colour into a file"
CLICOLOR_FORCE=1 "$CMAT" data preview --rows 1 rows.jsonl >out
has out "$(printf '\033[32m')"
CLICOLOR_FORCE=1 NO_COLOR=1 "$CMAT" data preview --rows 1 rows.jsonl >out
grep -q "$(printf '\033')" out && fail "NO_COLOR was not obeyed"
expect 0 "$CMAT" data preview --rows 2 --json rows.jsonl
has out '"loss_tokens"'
expect 2 "$CMAT" data glance rows.jsonl
expect 0 "$CMAT" tune $options --tensorboard --out curves rows.jsonl
grep -q '[▁▂▃▄▅▆▇█]' out || fail "no sparkline"
has curves/loss.svg "</svg>"
ls curves | grep -q '^events.out.tfevents' || fail "no event file"
expect 0 "$CMAT" tune --plan rows.jsonl
has out "together"

# all weights: the end is a model
expect 0 "$CMAT" tune $options --method full --out full rows.jsonl
has out "model: full/model.gguf"
expect 0 "$CMAT" logprobs --model full/model.gguf "SELECT name"
cp out full.logprobs
expect 0 "$CMAT" logprobs "SELECT name"
cmp -s out full.logprobs && fail "full tuning changed nothing"
expect 2 "$CMAT" evolve db --database shop.sqlite --method full --quiet --run no

all_done
has lr.out "suggested: --lr"

# killed at several moments, the run ends in the same bytes
for t in 0.1 0.2 0.3; do
    timeout -s KILL $t "$CMAT" tune $options $lstm --out killed rows.jsonl >/dev/null 2>&1
done
expect 0 "$CMAT" tune $options $lstm --out killed rows.jsonl
for f in adapter_model.safetensors adapter_config.json encoder.safetensors; do
    cmp -s lstm/$f killed/$f || fail "$f differs after kills"
done

# what does not fit is told in one line
expect 2 "$CMAT" tune $options --method p-tuning --encoder none --out no rows.jsonl
has err "needs an encoder"
expect 2 "$CMAT" tune $options --method p-tuning --virtual-tokens 5000 --out no rows.jsonl
has err "5000 virtual tokens"
sed 's/"num_virtual_tokens": *[0-9]*/"num_virtual_tokens": 1000000000/' lstm/adapter_config.json >x && mv x lstm/adapter_config.json
expect 1 "$CMAT" generate --adapter lstm hello
has err "1000000000 virtual tokens"
one_line err

finish
