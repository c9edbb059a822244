#!/bin/sh
# Builds and runs fuzz targets: tests/fuzz/run.sh [SECONDS EACH [TARGET...]] (needs clang). Corpora start from seeds/ (made by
# make_seeds.py), are kept in $FUZZ_DIR (default /tmp/cmat-fuzz) and go on where the last run ended; what was found lies
# beside them.
set -eu
cd "$(dirname "$0")/../.."
secs=${1:-60}
[ $# -gt 0 ] && shift
targets=${*:-gguf safetensors zip template tokenizer tokenizer_json spm hf_config adapter checkpoint dataset sql house kg shop web gbnf regex schema}
dir=${FUZZ_DIR:-/tmp/cmat-fuzz}
build=build-fuzz
[ -f $build/build.ninja ] || CC=clang meson setup $build -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false \
    -Dbuildtype=debugoptimized -Dc_args=-fsanitize=fuzzer-no-link > /dev/null

for t in $targets; do
    mkdir -p "$dir/$t"
    ninja -C $build "tests/fuzz_$t" > /dev/null
    echo "$t: $secs s"
    case $t in
    gbnf | regex | schema) rss=4096 ;; # AddressSanitizer keeps what they free
    *) rss=2048 ;;
    esac
    "$build/tests/fuzz_$t" -max_total_time="$secs" -timeout=20 -rss_limit_mb=$rss -max_len=65536 \
        -artifact_prefix="$dir/$t-" "$dir/$t" "tests/fuzz/seeds/$t"
done
