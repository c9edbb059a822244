# lib.sh - sourced by the end-to-end scripts: a scratch folder, a tiny model, checks that say what failed.
# The scripts get CMAT (the program) and MAKE_TINY_MODEL in the environment.
set -u
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cmat-e2e-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
export CMAT_HOME="$scratch/home" HOME="$scratch"
failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}
# expect STATUS COMMAND...: runs it, keeps its output in out and err
expect() {
    want=$1
    shift
    "$@" >out 2>err </dev/null
    got=$?
    [ "$got" = "$want" ] || {
        fail "$* gave status $got, not $want"
        tail -n 5 err
    }
}
# beside NAME COMMAND...: starts it beside what follows, its output in NAME.out and NAME.err; all_done waits for all of these
running=
beside() {
    name=$1
    shift
    "$@" >"$name.out" 2>"$name.err" </dev/null &
    running="$running $!=$name"
}
all_done() {
    for r in $running; do
        wait "${r%%=*}" || {
            fail "${r#*=} gave status $?"
            tail -n 5 "${r#*=}.err"
        }
    done
    running=
}
# has FILE TEXT: the file has a line with this text
has() { grep -qF -- "$2" "$1" || { fail "$1 lacks \"$2\""; head -c 400 "$1"; echo; }; }
# all_right ARGUMENTS...: the gold actions, through `cmat eval`, end every task with a score of 1
all_right() {
    expect 0 env CMAT_MODEL=/nowhere "$CMAT" eval "$@" --actor oracle
    is_all_right out "$*"
}
is_all_right() { grep -q '^ *all tasks .* 100\.0 %' "$1" || { fail "eval $2 --actor oracle is not right throughout"; head -n 6 "$1"; }; }
one_line() { [ "$(grep -c . "$1")" -le "${2:-2}" ] || { fail "more than one line of error"; cat "$1"; }; }
finish() {
    [ "$failures" = 0 ] && echo "all checks passed"
    exit "$([ "$failures" = 0 ] && echo 0 || echo 1)"
}
