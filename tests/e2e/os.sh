#!/bin/sh
# os.sh - the sandboxed shell in the program: tasks, eval with a tiny model, a game by hand through a pipe and on a
# terminal. Skipped where no sandbox can be made.
. "$(dirname "$0")/lib.sh"
expect 0 "$CMAT" env show os
has out "Linux shell as root"
bwrap --unshare-all --ro-bind / / true 2>err || {
    echo "skipped: no sandbox can be made here: $(head -n 1 err)"
    exit 77
}
"$MAKE_TINY_MODEL" tiny.gguf 4096
export CMAT_MODEL="$scratch/tiny.gguf"
cat >two.jsonl <<'END'
{"id": "t", "env": "os", "kind": "files", "instruction": "How many files are in /srv?", "init": [{"code": "touch /srv/a /srv/b"}], "gold": ["ls /srv | wc -l"], "answer": "2"}
END

beside again "$CMAT" env tasks os -n 4 --out again.jsonl
expect 0 "$CMAT" env tasks os -n 4 --out tasks.jsonl
all_done
cmp -s tasks.jsonl again.jsonl || fail "the same seed gives other tasks"
beside rows "$CMAT" env tasks os --tasks tasks.jsonl --rows --out rows.jsonl
beside eval "$CMAT" eval os --tasks tasks.jsonl -n 2 --max-steps 2 --max-tokens 24 --out summary.json
beside oracle "$CMAT" eval os --tasks tasks.jsonl --actor oracle
beside bench "$CMAT" eval os --tasks two.jsonl --max-steps 2 --max-tokens 24 --style agentbench --json

# a sandbox that does not answer
mute=$(mktemp -d /var/tmp/cmat-e2e-XXXXXX) # the sandbox covers /tmp
printf '#!/bin/sh\nexec sleep 20\n' >"$mute/bwrap" && chmod 755 "$mute" "$mute/bwrap"
PATH="$mute:$PATH" "$CMAT" doctor --sandbox >mute.out 2>mute.err &
pid=$!

# by hand: a mistake and a change are taken back, a hint, the end of the game; a command over two lines
cat >keys <<'END'
Bash: rm /srv/a
Bash: lss
:undo
:undo
:hint
Bash: cat <<E
two
E

Bash: ls /srv | wc -l
Answer: 2
END
"$CMAT" env play os --tasks two.jsonl <keys >played 2>err || fail "play gives status $?"
has played "files: gone /srv/a"
has played 'wrong: there is no command "lss"'
has played "[exit status 127]"
has played "undone; back to:"
has played "Bash: ls /srv | wc -l"
has played "checker: prints: two"
has played "score: 1 (3 steps)"
kill -TERM $pid
printf 'Answer: 3\n' | "$CMAT" env play os --tasks two.jsonl >out 2>err || fail "play gives status $?"
has out "no command has been run"
has out "score: 0 (1 step)"
has out "This would have been right:"

# on a terminal: Tab writes what must come
if command -v script >/dev/null; then
    {
        for i in $(seq 200); do
            grep -qs "How many files" typed && break
            sleep 0.05
        done
        printf 'B\tls /srv\n'
        sleep 0.3
        printf 'A\t2\n'
        sleep 0.3
    } | script -qefc "$CMAT env play os --tasks two.jsonl" typed >out 2>err || fail "play on a terminal gives status $?"
    has typed "Bash: ls /srv"
    has typed "Answer: 2"
    has typed "score: 1 (2 steps)"
fi

all_done
is_all_right oracle.out os
[ "$(wc -l <rows.jsonl)" = 4 ] || fail "the oracle does not solve all 4"
has eval.out "success"
has summary.json '"outcomes"'
has bench.out '"comparison"'
expect 1 "$CMAT" env tasks os --tasks nowhere
one_line err
echo '[{"description": "d", "evaluation": {}}]' >bad.json
expect 1 "$CMAT" env tasks os --tasks bad.json
one_line err
# the first signal has ended the check of the mute one with one line
wait $pid && fail "doctor --sandbox is content with a sandbox that does not answer"
has mute.err "interrupted"
one_line mute.err
rm -r "$mute"
expect 1 env PATH=/nowhere "$CMAT" env play os --tasks two.jsonl
has err "bubblewrap is missing"
one_line err
finish
