#!/bin/sh
# Builds and runs the fuzz targets of the file readers: tests/fuzz/run_files.sh [seconds each] (needs clang).
# Corpora are kept in $FUZZ_DIR (default /tmp/cmat-fuzz) and go on where the last run ended.
set -eu
cd "$(dirname "$0")/../.."
secs=${1:-60}
dir=${FUZZ_DIR:-/tmp/cmat-fuzz}
mkdir -p "$dir"
cflags="-g -O1 -std=gnu11 -D_GNU_SOURCE -Iinclude -Isrc -Itests -fsanitize=address,undefined
    -fno-sanitize-recover=undefined"
libs="-ljansson -lyaml -lnettle -lz -lm"
# Seeds: a real small model and real adapters.
printf '#include "tiny_model.h"\nint main(int c, char **v) { (void)c; tiny_model_write(v[1], %s); return 0; }\n' \
    '&(tiny_model_options){.n_layers = 1, .n_embd = 32, .n_ff = 32, .type = CMAT_TYPE_Q8_0}' > "$dir/seed.c"
clang $cflags -o "$dir/seed" "$dir/seed.c" tests/tiny_model.c src/core/*.c src/kernel/quant.c \
    src/model/gguf_*.c $libs
mkdir -p "$dir/gguf" "$dir/safetensors" "$dir/zip"
"$dir/seed" "$dir/gguf/tiny"
head -c 400 "$dir/gguf/tiny" > "$dir/gguf/cut"
cp tests/vectors/peft_adapter/*.safetensors "$dir/safetensors/"
python3 -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("a.txt", "x" * 50); z.writestr("b/m.gguf", "y" * 90)' "$dir/zip/small.zip"
for t in gguf safetensors zip; do
    case $t in
    gguf) src="src/model/gguf_read.c src/model/gguf_meta.c" ;;
    safetensors) src="src/model/safetensors.c" ;;
    zip) src="src/model/zip.c" ;;
    esac
    clang $cflags -fsanitize=fuzzer -o "$dir/fuzz_$t" "tests/fuzz/fuzz_$t.c" src/core/*.c src/kernel/quant.c \
        $src $libs
    echo "fuzz_$t: $secs s"
    "$dir/fuzz_$t" -max_total_time="$secs" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
        -artifact_prefix="$dir/$t-" "$dir/$t"
done
