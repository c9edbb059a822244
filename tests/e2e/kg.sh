#!/bin/sh
# kg.sh - knowledge graphs in the program: tasks from a file of triples, a game by hand, eval with a tiny model; MetaQA
# and AgentBench's questions where their data lies beside the source.
. "$(dirname "$0")/lib.sh"
"$MAKE_TINY_MODEL" tiny.gguf 4096
export CMAT_MODEL="$scratch/tiny.gguf" CMAT_HOME="$scratch/home"

i=0
while [ $i -lt 60 ]; do
    printf 'Film %d\tdirected_by\tDirector %d\nFilm %d\tactor\tActor %d\nFilm %d\tyear\t%d\n' \
        $i $((i % 9)) $i $((i % 13)) $i $((1960 + i % 30))
    i=$((i + 1))
done >films.tsv

expect 0 "$CMAT" env list
has out "kg  "
expect 0 "$CMAT" env show kg
has out "get_neighbors"
expect 0 "$CMAT" env tasks kg --world films.tsv -n 21 --out tasks.jsonl
has err "180 triples"
expect 0 "$CMAT" env tasks kg --world films.tsv -n 21 --out again.jsonl
! grep -q triples err || fail "the graph is imported twice"
cmp -s tasks.jsonl again.jsonl || fail "the same seed gives other tasks"
expect 0 "$CMAT" env tasks kg --world films.tsv --tasks tasks.jsonl --rows --out rows.jsonl
[ "$(wc -l <rows.jsonl)" = 21 ] || fail "the oracle does not solve all 21"
expect 0 "$CMAT" env tasks kg --world films.tsv --tasks tasks.jsonl --rows --style agentbench --out rows.jsonl
has rows.jsonl "Final Answer: #"

# by hand: a mistake, completion's list, undo, and the end of input
printf 'get_neighbors(#0, x)\n:hint\n:actions\n:undo\n' >keys
"$CMAT" env play kg --world films.tsv --tasks tasks.jsonl <keys >out 2>err || fail "play gives status $?"
has out "wrong: there is no variable #0"
has out "error: there is no variable #0"
has out "get_relations("
has out "undone"
has out "score: 0"

all_right kg --world films.tsv --tasks tasks.jsonl
expect 0 "$CMAT" eval kg --world films.tsv --tasks tasks.jsonl -n 4 --max-steps 4 --max-tokens 40 --out summary.json --run run
has out "Mean F1"
has out "Mean exact match"
has summary.json '"executability"'
expect 0 "$CMAT" report run
has run/report.html "An evaluation on films.tsv"
has run/report.html "Further measures"
has run/report.html "<td>exact match</td>"
expect 0 "$CMAT" report --json run
has out '"executability"'
expect 0 "$CMAT" eval kg --world films.tsv --tasks tasks.jsonl -n 4 --max-steps 1 --max-tokens 8 --compare summary.json
has out "mean executability: summary.json"
expect 1 "$CMAT" report home
has err "no run folder"
expect 0 "$CMAT" eval kg --world films.tsv -n 2 --max-steps 2 --max-tokens 24 --style agentbench --json
has out '"measures"'

# a question of a person's: what it names, calls, an answer or none
expect 0 "$CMAT" ask --untuned films.tsv "Who directed Film 7?"
has out "Calls:"
expect 0 "$CMAT" ask --untuned --json --entities "Director 3" films.tsv "What is by her?"
has out '"Director 3": "Director 3"'
has out '"calls"'
expect 1 "$CMAT" ask --untuned films.tsv "what is what"
has err "nothing that the question names"
one_line err
expect 1 "$CMAT" ask --untuned nowhere.nt "Who?"
one_line err
expect 2 "$CMAT" ask --write films.tsv "Who directed Film 7?"
has err "films.tsv is only read"
one_line err

expect 1 "$CMAT" eval kg --world nowhere.nt -n 2
one_line err
expect 2 "$CMAT" eval kg
has err "--world FILE"
echo "just words" >bad.tsv
expect 1 "$CMAT" env tasks kg --world bad.tsv
has err "bad.tsv: line 1"
expect 1 "$CMAT" env tasks kg --world http://127.0.0.1:1/sparql
one_line err

data="${CMAT_TEST_DATA:-$CMAT_TEST_ROOT/../shared/data}/kg"
# agreement WORLD TASKS N: the share of gold calls' answers that are right
agreement() { "$KG_AGREE" "$@" 2>err | sed -n 's/^share //p'; }
if [ -r "$data/metaqa/kb_reconstructed.txt.xz" ] && xz -dc "$data/metaqa/kb_reconstructed.txt.xz" >film.txt; then
    xz -dc "$data/metaqa/q3hop_dev_verified.jsonl.xz" >q3.jsonl
    [ "$(agreement film.txt q3.jsonl 300)" = 1.0000 ] || fail "MetaQA: the gold answers are not all found"
fi
if [ -r "$data/agentbench/train.json.xz" ]; then
    mkdir -p ab/ontology
    xz -dc "$data/agentbench/train.json.xz" >ab/train.json
    for f in fb_roles vocab.json; do xz -dc "$data/agentbench/ontology/$f.xz" >ab/ontology/$f; done
    share=$(STYLE=agentbench agreement ab/train.json ab/train.json)
    [ "$(echo "$share" | tr -d .)" -ge 9800 ] || fail "the closed graph gives $share of AgentBench's answers"
fi
finish
