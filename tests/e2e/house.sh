#!/bin/sh
# house.sh - the house in the program: tasks, a game by hand, eval with a tiny model; with ALFWorld's games
# where they lie beside the source, TextWorld's recorded walks and the games' own walkthroughs.
. "$(dirname "$0")/lib.sh"
"$MAKE_TINY_MODEL" tiny.gguf 4096
export CMAT_MODEL="$scratch/tiny.gguf"

expect 0 "$CMAT" env show house
has out "has worked answers"
expect 0 "$CMAT" env tasks house -n 20 --out tasks.jsonl
expect 0 "$CMAT" env tasks house -n 20 --out again.jsonl
cmp -s tasks.jsonl again.jsonl || fail "the same seed gives other tasks"
sort -r tasks.jsonl >turned.jsonl
expect 0 "$CMAT" env show house --tasks tasks.jsonl
sum=$(sed -n 's/.*sha256 //p' out)
expect 0 "$CMAT" env show house --tasks turned.jsonl
[ "$sum" = "$(sed -n 's/.*sha256 //p' out)" ] || fail "the hash depends on the order"
expect 0 "$CMAT" env tasks house --tasks tasks.jsonl --rows --out rows.jsonl
[ "$(wc -l <rows.jsonl)" = 20 ] || fail "the seeker does not solve all 20"

# by hand: a mistake, completion's list, undo, and the end of input
printf 'lok\nlook\n:undo\n:actions\n:hint\n' >keys
"$CMAT" env play house --tasks tasks.jsonl -n 1 <keys >out 2>err || fail "play gives status $?"
has out "nearest that is: look"
has out "Nothing happens."
has out "undone"
has out "go to garbagecan 1"
has out "score: 0 (1 step)"

all_right house --tasks tasks.jsonl
expect 0 "$CMAT" eval house --tasks tasks.jsonl -n 2 --max-steps 3 --max-tokens 24
has out "success"
expect 0 "$CMAT" eval house -n 2 --max-steps 2 --max-tokens 24 --style agentbench --json
has out '"comparison"'

mkdir -p bad/x
echo '{"pddl_domain": "(define"}' >bad/x/game.tw-pddl
expect 1 "$CMAT" env tasks house --tasks bad
one_line err
expect 1 "$CMAT" env tasks house --tasks nowhere
one_line err
expect 2 "$CMAT" eval castle --tasks tasks.jsonl
has err "no environment"

games="${CMAT_TEST_DATA:-$CMAT_TEST_ROOT/../shared/data}/alfworld/games_valid_seen.tar.xz"
walks="$CMAT_TEST_ROOT/tests/vectors/house_alfworld.jsonl"
if [ -r "$games" ] && sed 's/.*"game":"\([^"]*\)".*/json_2.1.1\/\1/' "$walks" | sort -u >wanted &&
    tar xJf "$games" -T wanted 2>err; then
    "$HOUSE_WALK" json_2.1.1 "$walks" >out || fail "TextWorld answered otherwise: $(head -c 600 out)"
    has out " 0 walks differ"
    expect 0 "$CMAT" env tasks house --tasks json_2.1.1 --rows --out rows.jsonl
    [ "$(wc -l <rows.jsonl)" = "$(wc -l <wanted)" ] || fail "the seeker does not win each game"
fi
finish
