#!/bin/sh
# check_robustness.sh - every test that docs/ROBUSTNESS.md names is there: "test_x.c: name, name" in its table.
cd "${CMAT_TEST_ROOT:-.}" || exit 1
missing=0
n=0
grep '^| G' docs/ROBUSTNESS.md | sed 's/.*| \([^|]*\) |$/\1/' | tr ';' '\n' | grep 'test_.*\.c: ' >"${TMPDIR:-/tmp}/cmat-robustness-$$"
while IFS= read -r line; do
    file=$(echo "$line" | sed 's/^ *\(test_[a-z_]*\.c\): .*/\1/')
    for name in $(echo "$line" | sed 's/.*\.c: //' | tr ',' ' '); do
        n=$((n + 1))
        grep -q "static void $name(" "tests/$file" || {
            echo "tests/$file has no $name"
            missing=$((missing + 1))
        }
    done
done <"${TMPDIR:-/tmp}/cmat-robustness-$$"
rm -f "${TMPDIR:-/tmp}/cmat-robustness-$$"
for name in $(sed -n '/^llama.cpp.s own/,/^$/p' docs/ROBUSTNESS.md | tr '\n' ' ' | sed 's/ · /\n/g' |
    sed -n 's/.*: *\([a-z_0-9]*\)\.* *$/\1/p'); do
    n=$((n + 1))
    grep -q "static void $name(" tests/test_gguf.c || {
        echo "tests/test_gguf.c has no $name"
        missing=$((missing + 1))
    }
done
echo "$n names, $missing missing"
[ "$missing" = 0 ] && [ "$n" -gt 60 ]
