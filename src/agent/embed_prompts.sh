#!/bin/sh
# Writes a C file with the text of each prompt file given: the prompts that are built in.
# usage: embed_prompts.sh OUT.c FILE.txt ...
set -eu
out=$1
shift
{
    echo '/* Made by embed_prompts.sh from prompts/: do not edit. */'
    echo '#include "agent/prompt.h"'
    echo 'const cmat_builtin_prompt cmat_builtin_prompts[] = {'
    for f in "$@"; do
        printf '    {"%s",\n' "$(basename "$f" .txt)"
        # Trigraphs aside, backslash and quote are all that a C string needs escaped in a text file.
        sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/?/\\?/g' -e 's/\t/\\t/g' -e 's/^/     "/' -e 's/$/\\n"/' "$f"
        echo '    },'
    done
    echo '    {0, 0}};'
} > "$out.tmp"
mv "$out.tmp" "$out"
