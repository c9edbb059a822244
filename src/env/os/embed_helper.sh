#!/bin/sh
# embed_helper.sh OUT.S PROGRAM - an assembler file that holds the program's bytes.
set -eu
cat >"$1" <<EOF
    .section .rodata
    .balign 16
    .global cmat_os_helper
    .hidden cmat_os_helper
cmat_os_helper:
    .incbin "$2"
    .global cmat_os_helper_end
    .hidden cmat_os_helper_end
cmat_os_helper_end:
    .byte 0
    .section .note.GNU-stack,"",%progbits
EOF
