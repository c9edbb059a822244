#!/bin/sh
# bench/compare.sh - our speed and the peers' in turn, in the same minutes.
#
# usage: bench/compare.sh MODEL.gguf [rounds] [build folder] [python] [generate|tune|all]
# Prints for each figure the median, the spread, and the ratio of medians to each peer. A peer that
# the python lacks (llama-cpp-python; torch, transformers, peft) is left out with a note.
set -eu
model=${1:?usage: bench/compare.sh MODEL.gguf [rounds] [build folder] [python] [generate|tune|all]}
rounds=${2:-5}
build=${3:-build}
python=${4:-python3}
what=${5:-all}
here=$(dirname "$0")
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}"

have() {
    for module; do
        "$python" -c "import $module" >/dev/null 2>&1 && continue
        echo "compare.sh: no peer that needs $module: $python does not have it" >&2
        return 1
    done
}
llama=no torch=no
[ "$what" = tune ] || ! have llama_cpp || llama=yes
! have torch transformers peft || torch=yes
peer_torch=$what
[ "$what" != generate ] || peer_torch=prompt

i=0
while [ "$i" -lt "$rounds" ]; do
    i=$((i + 1))
    echo "round $i of $rounds" >&2
    [ "$what" = tune ] || "$build/bench/bench_generate" "$model" 1 base | sed 's/^/cmat /' >>"$out/all"
    [ "$what" = generate ] || "$build/bench/bench_tune" "$model" 2>/dev/null |
        sed -n 's/^plain_tokens_per_s/cmat tune tokens\/s/p; s/^plain_peak_mb/cmat tune_memory MiB/p' >>"$out/all"
    [ $llama = no ] || "$python" "$here/peer_llama_cpp.py" "$model" 1 "$OMP_NUM_THREADS" |
        sed 's/^/llama.cpp /' >>"$out/all"
    [ $torch = no ] || "$python" "$here/peer_torch.py" "$model" 1 "$OMP_NUM_THREADS" "$peer_torch" 2>/dev/null |
        sed 's/^/torch /' >>"$out/all"
done

"$python" - "$out/all" <<'PY'
import collections, re, statistics, sys
figures = collections.defaultdict(list)  # (who, figure, unit) -> values
for line in open(sys.argv[1]):
    f = line.split()
    if len(f) >= 4 and f[2] in ("tokens/s", "MiB"):
        figures[f[0], f[1], f[2]].append(float(f[3]))
print(f"{'who':<10} {'figure':<26} {'unit':<9} {'median':>9} {'least':>9} {'most':>9}  n")
for (who, name, unit), v in figures.items():
    print(f"{who:<10} {name:<26} {unit:<9} {statistics.median(v):9.1f} {min(v):9.1f} {max(v):9.1f}  {len(v)}")
print("\nratios of medians, cmat to")
for (who, name, unit), v in figures.items():
    ours = figures.get(("cmat", re.sub(r"_(float32|bfloat16)", "", name), unit))
    if who != "cmat" and ours:
        print(f"{who:<10} {name:<26} {statistics.median(ours) / statistics.median(v):9.2f}")
PY
