#!/bin/sh
# check_layers.sh - compares every #include "layer/file.h" under src/ with tools/layers.txt.
cd "$(dirname "$0")/.." || exit 1
bad=0
for dir in src/*/; do
    layer=$(basename "$dir")
    allowed=$(sed -n "s/^$layer://p" tools/layers.txt)
    if [ -z "$allowed" ]; then
        echo "check_layers: src/$layer is not in tools/layers.txt"
        bad=1
        continue
    fi
    for pair in $(grep -rnoE '#include "[a-z]+/' "$dir" --include='*.[ch]' | sed 's/#include "//; s/\/$//; s/:\([a-z]*\)$/=\1/'); do
        used=${pair##*=}
        case " $layer $allowed " in
        *" $used "*) ;;
        *)
            echo "check_layers: ${pair%=*}: $layer must not include $used/"
            bad=1
            ;;
        esac
    done
done
[ $bad = 0 ]
