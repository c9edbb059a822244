#!/bin/sh
# bench/compare.sh - our speed and the peers' in turn, in the same minutes.
#
# usage: bench/compare.sh MODEL.gguf [rounds] [build folder] [python] [WHAT...]
# WHAT: generate, tune, full, samples, start, episodes, accuracy, machine, all (the default: every one)
#   generate  prompts of 512 and 2,048 tokens; decoding 1, 16, 32 sequences
#   tune      LoRA, 4 x 512 tokens        full  all weights, the same
#   samples   LoRA on conversations: ROWS=FILE.jsonl, else ones made by `cmat env tasks`; N_SAMPLES of them (40)
#   start     from the command to the first token, everything in the file cache
#   episodes  64 episodes about a database, 3 turns each, by the untuned model: ours in its own process, then through
#             llama.cpp's server with 16 slots (EPISODES_BY: its files, "file Q4_0")
#   accuracy  KL divergence from float32 on TEXT=FILE (README.md), N_TOKENS positions (4096)
#   machine   how fast memory is read, and oneDNN's products
# Prints for each figure the median, the spread, and the ratio of medians to each peer. A peer that is not there is
# left out with a note: llama-cpp-python, or torch, transformers and peft, in that python; llama-server and
# llama-completion in LLAMA_BIN (a folder). llama.cpp has the model's own file and Q4_0 and BF16 made of it.
# KEEP=FOLDER: what is made on the way stays there, figures too, which the next call adds to.
set -eu
model=${1:?usage: bench/compare.sh MODEL.gguf [rounds] [build folder] [python] [WHAT...]}
rounds=${2:-5}
build=${3:-build}
python=${4:-python3}
[ $# -le 4 ] && set -- all || shift 4
what=" $* "
here=$(dirname "$0")
out=${KEEP:-$(mktemp -d)}
server=
trap '[ -z "$server" ] || kill $server; [ -n "${KEEP:-}" ] || rm -rf "$out"' EXIT
mkdir -p "$out"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}"
cmat="$build/src/cli/cmat"
touch "$out/all"

wants() { case "$what" in *" all "* | *" $1 "*) ;; *) return 1 ;; esac; }
note() { echo "compare.sh: $*" >&2; }

have() {
    for module; do
        "$python" -c "import $module" >/dev/null 2>&1 && continue
        note "no peer that needs $module: $python does not have it"
        return 1
    done
}

# program NAME: its path in LLAMA_BIN
program() {
    [ -x "${LLAMA_BIN:-.}/$1" ] && echo "${LLAMA_BIN:-.}/$1" && return
    note "no peer that needs $1: LLAMA_BIN does not have it"
    return 1
}

# keep WHO: figures ("name unit value ...") from standard input
keep() { sed "s/^/$1 /" >>"$out/all"; }

llama_file() {
    [ -f "$out/$1.gguf" ] || "$cmat" export -q --type "$1" --model "$model" "$out/$1.gguf" >/dev/null
    echo "$out/$1.gguf"
}

generate() {
    "$build/bench/bench_generate" "$model" 1 base | keep cmat
    if [ $llama = yes ]; then
        "$python" "$here/peer_llama_cpp.py" "$model" 1 "$OMP_NUM_THREADS" | keep llama.cpp
        "$python" "$here/peer_llama_cpp.py" "$(llama_file Q4_0)" 1 "$OMP_NUM_THREADS" | keep llama.cpp-Q4_0
        "$python" "$here/peer_llama_cpp.py" "$(llama_file BF16)" 1 "$OMP_NUM_THREADS" prompt | keep llama.cpp-BF16
    fi
    torch prompt
}

# torch WHAT [FILE]
torch() {
    [ $torch = no ] || "$python" "$here/peer_torch.py" "$model" 1 "$OMP_NUM_THREADS" "$@" 2>/dev/null | keep torch
}

tune() {
    "$build/bench/bench_tune" "$model" bf16 1024 5 plain 2>/dev/null |
        sed -n 's/^plain_tokens_per_s/tune tokens\/s/p; s/^plain_peak_mb/tune_memory MiB/p' | keep cmat
    torch tune
}

full() {
    "$build/bench/bench_tune" "$model" bf16 1024 3 full 2>/dev/null |
        sed -n 's/^full_tokens_per_s/tune_full tokens\/s/p; s/^full_peak_mb/tune_full_memory MiB/p' | keep cmat
    torch full
}

# Conversations as agents have them: about two databases, and about houses.
make_rows() {
    [ -z "${ROWS:-}" ] || return 0
    ROWS=$out/rows.jsonl
    [ ! -f "$ROWS" ] || return 0
    [ -f "$out/shop.sqlite" ] || "$cmat" env make shop-db --out "$out/shop.sqlite"
    "$cmat" env make practice-db --out "$out/practice.sqlite" --seed 3
    "$cmat" env tasks --database "$out/shop.sqlite" -n 20 --rows --slips 20 --out "$out/r1" -q
    "$cmat" env tasks --database "$out/practice.sqlite" -n 20 --rows --slips 20 --checker-rows "$out/r2" --out "$out/r3" -q
    "$cmat" env tasks house -n 3 --rows --style agentbench --out "$out/r4" -q
    cat "$out"/r[1-4] >"$ROWS"
}

samples() {
    make_rows
    "$build/bench/bench_samples" "$model" "$ROWS" "${N_SAMPLES:-40}" "$out/tokens.jsonl" 2>/dev/null >"$out/samples"
    keep cmat <"$out/samples"
    torch samples "$out/tokens.jsonl"
}

# first_token COMMAND...: milliseconds that the command takes
first_token() {
    t=$(date +%s%N)
    "$@" >/dev/null 2>&1 </dev/null
    echo "first_token ms $((($(date +%s%N) - t) / 10000))" | sed 's/\(..\)$/.\1/'
}

start() {
    for i in 1 2 3 4; do # the first one fills the file cache
        first_token "$cmat" generate --model "$model" -n 1 "The capital of France is" >"$out/start"
    done
    keep cmat <"$out/start"
    completion=$(program llama-completion) || return 0
    for i in 1 2; do
        first_token "$completion" -m "$model" -t "$OMP_NUM_THREADS" -n 1 -no-cnv -p "The capital of France is" >"$out/start"
    done
    keep llama.cpp <"$out/start"
}

# play WHO [options of cmat eval]: 64 episodes; every turn is greedy, at most 96 tokens, nothing constrains it
play() {
    who=$1
    shift
    t=$(date +%s%N)
    "$cmat" eval db --database "$out/shop.sqlite" --tasks "$out/tasks.jsonl" --checker off --no-constraint \
        --max-steps 3 --max-tokens 96 --concurrency 16 -q --json "$@" >"$out/eval.json"
    "$python" - "$out/eval.json" "$((($(date +%s%N) - t) / 1000000))" <<'PY' | keep "$who"
import json, sys
s = json.load(open(sys.argv[1]))["summary"]
n, c = s["success"]["n"], s["cost"]
print(f"episodes episodes/min {60e3 * n / float(sys.argv[2]):.2f}")
print(f"episode_turns each {c['turns']:.2f}\nepisode_new_tokens each {c['tokens']:.1f}")
print(f"episode_prompt_tokens each {c['prompt_tokens']:.1f}")
PY
}

episodes() {
    [ -f "$out/shop.sqlite" ] || "$cmat" env make shop-db --out "$out/shop.sqlite"
    "$cmat" env tasks --database "$out/shop.sqlite" -n 64 --split heldout --seed 5 --out "$out/tasks.jsonl" -q
    play cmat --model "$model"
    llama_server=$(program llama-server) || return 0
    for type in ${EPISODES_BY:-file Q4_0}; do
        file=$model who=llama.cpp
        [ $type = file ] || { file=$(llama_file $type) who=llama.cpp-$type; }
        "$llama_server" -m "$file" -t "$OMP_NUM_THREADS" -tb "$OMP_NUM_THREADS" -np 16 -c $((16 * 2048)) --port 18573 \
            --jinja >"$out/server.log" 2>&1 &
        server=$!
        i=0
        until curl -sf http://127.0.0.1:18573/health >/dev/null; do
            i=$((i + 1))
            [ $i -lt 240 ] && kill -0 $server || { tail -3 "$out/server.log" >&2; return 1; }
            sleep 0.25
        done
        play $who --url http://127.0.0.1:18573/v1
        kill $server
        wait $server || :
        server=
    done
}

accuracy() {
    "$build/bench/bench_kl" "$model" "${TEXT:-$here/../README.md}" "${N_TOKENS:-4096}" 256 "$out/ref" | sed 's/^/cmat /'
    [ $llama = no ] || for type in file Q4_0; do
        file=$model
        [ $type = file ] || file=$(llama_file $type)
        "$python" "$here/peer_kl.py" "$out/ref" llama "$file" "$OMP_NUM_THREADS" | sed "s/^/llama.cpp-$type /"
    done
    [ $torch = no ] || "$python" "$here/peer_kl.py" "$out/ref" torch "$model" "$OMP_NUM_THREADS" 2>/dev/null
}

llama=no torch=no
if wants generate || wants accuracy; then
    ! have llama_cpp || llama=yes
fi
if wants generate || wants tune || wants full || wants samples || wants accuracy; then
    ! have torch transformers peft || torch=yes
fi

! wants machine || { "$build/bench/bench_roofline" "$model"; [ ! -x "$build/bench/peer_onednn" ] || "$build/bench/peer_onednn" 512; }
! wants accuracy || accuracy
i=0
while [ "$i" -lt "$rounds" ]; do
    i=$((i + 1))
    note "round $i of $rounds"
    for part in generate tune full samples start episodes; do
        ! wants $part || $part
    done
done
[ ! -f "$out/samples" ] || head -1 "$out/samples"

"$python" - "$out/all" <<'PY'
import collections, re, statistics, sys
figures = collections.defaultdict(list)  # (who, figure, unit) -> values
for line in open(sys.argv[1]):
    f = line.split()
    if len(f) >= 4 and f[2] in ("tokens/s", "MiB", "ms", "episodes/min", "each"):
        figures[f[0], f[1], f[2]].append(float(f[3]))
if figures:
    print(f"{'who':<15} {'figure':<26} {'unit':<12} {'median':>9} {'least':>9} {'most':>9}  n")
for (who, name, unit), v in figures.items():
    print(f"{who:<15} {name:<26} {unit:<12} {statistics.median(v):9.1f} {min(v):9.1f} {max(v):9.1f}  {len(v)}")
print("\nratios of medians, cmat to (above 1: ours is better)" if figures else "", end="\n" if figures else "")
for (who, name, unit), v in figures.items():
    ours = figures.get(("cmat", re.sub(r"_(float32|bfloat16)", "", name), unit))
    if who != "cmat" and ours and unit != "each":
        ratio = statistics.median(ours) / statistics.median(v)
        print(f"{who:<15} {name:<26} {1 / ratio if unit in ('MiB', 'ms') else ratio:9.2f}")
PY
