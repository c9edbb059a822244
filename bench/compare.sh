#!/bin/sh
# bench/compare.sh - our speed and the peers' in turn, in the same minutes.
#
# usage: bench/compare.sh MODEL.gguf [rounds] [build folder] [python]
# Prints for each figure the medians, the spread and the ratio of medians. A peer that the python lacks
# (llama-cpp-python; torch, transformers, peft) is left out with a note.
set -eu
model=${1:?usage: bench/compare.sh MODEL.gguf [rounds] [build folder] [python]}
rounds=${2:-5}
build=${3:-build}
python=${4:-python3}
here=$(dirname "$0")
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}

have() { "$python" -c "import $1" >/dev/null 2>&1 || { echo "without the peer $1: not installed" >&2; return 1; }; }
llama=no; torch=no
have llama_cpp && llama=yes
have torch && have transformers && have peft && torch=yes

i=0
while [ "$i" -lt "$rounds" ]; do
    i=$((i + 1))
    echo "round $i of $rounds" >&2
    "$build/bench/bench_generate" "$model" 1 | sed 's/^/cmat /' >>"$out/all"
    [ ! -x "$build/bench/bench_tune" ] || "$build/bench/bench_tune" "$model" | sed 's/^/cmat /' >>"$out/all"
    [ $llama = no ] || "$python" "$here/peer_llama_cpp.py" "$model" 1 "$OMP_NUM_THREADS" |
        sed 's/^/llama.cpp /' >>"$out/all"
    [ $torch = no ] || "$python" "$here/peer_torch.py" "$model" 1 "$OMP_NUM_THREADS" 2>/dev/null |
        sed 's/^/torch /' >>"$out/all"
done

# "who name unit value ..." -> medians by who and name, then ours over the best of each kind of figure
"$python" - "$out/all" <<'PY'
import collections, re, statistics, sys
figures = collections.defaultdict(list)
for line in open(sys.argv[1]):
    f = line.split()
    if len(f) >= 4 and f[2] in ("tokens/s", "MiB"):
        figures[f[0], f[1], f[2]].append(float(f[3]))
print(f"{'who':<10} {'figure':<26} {'unit':<9} {'median':>9} {'least':>9} {'most':>9}  n")
for (who, name, unit), v in figures.items():
    print(f"{who:<10} {name:<26} {unit:<9} {statistics.median(v):9.1f} {min(v):9.1f} {max(v):9.1f}  {len(v)}")
print()
for (who, name, unit), v in figures.items():
    if who == "cmat":
        continue
    kind = re.sub(r"_(float32|bfloat16)", "", name)
    ours = figures.get(("cmat", kind, unit))
    if ours:
        print(f"{kind:<16} cmat / {who} {name[len(kind.replace('_memory', '')):].strip('_'):<16} "
              f"{statistics.median(ours) / statistics.median(v):6.2f}")
PY
