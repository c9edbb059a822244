#!/bin/sh
# sql-rows.sh - the rows that adapters/sql learns from, about 230,000 and made in about a quarter of an hour of processor
# time. Usage: recipes/sql-rows.sh WIKISQL_QUESTIONS WIKISQL_TABLES WIKITQ_QUESTIONS WIKITQ_TABLES OUT [JOBS]
# (unpacked .jsonl of the train splits: see docs/FORMATS.md. WikiSQL: BSD-3-Clause; its tables in TabFact's form: MIT;
# WikiTableQuestions: CC BY-SA 4.0.)
#
# OUT/rows.jsonl, valid.jsonl: the Actor's. Questions of both sets, questions and changes made from their tables, and tasks
# about 3,000 practice databases of 24 kinds (`cmat env make practice-db`; never a shop, which the demo holds out). A quarter of the
# rows show lessons; some begin with a wrong action and the reason that it was sent back with; a few are in AgentBench's own
# protocol (run, look, answer).
# OUT/checker.jsonl, checker-valid.jsonl: the Checker's, as many to accept as to reject.
# Tables of a page, and practice databases, are in one of the splits only.
set -eu
cmat=${CMAT:-build/src/cli/cmat}
parts=${PARTS:-16} databases=${DATABASES:-3000} share=${SHARE:-1} # SHARE=100: a hundredth of all, to try

# One process's work: writes OUT/parts/NAME.jsonl and NAME.checker.jsonl.
job() {
    out=$1 name=$2
    shift 2
    $cmat env tasks --quiet --rows --slips 20 --lessons 25 -o "$out/parts/$name.jsonl" \
        --checker-rows "$out/parts/$name.checker" "$@"
}
if [ "$1" = --wiki ]; then # OUT STYLE PART SEED QUESTIONS TABLES SELECTS ASKS INSERTS UPDATES
    job "$2" "wiki-$5-$4" --style "$3" --part "$4" --parts "$parts" --seed "$5" --questions "$6" --tables "$7" \
        -n $(($8 / parts / share)) --asks $(($9 / parts / share)) --inserts $((${10} / parts / share)) \
        --updates $((${11} / parts / share))
    exit
elif [ "$1" = --practice ]; then # OUT SPLIT N SEED...
    out=$2 split=$3 n=$4
    shift 4
    for seed; do
        $cmat env make practice-db --seed "$seed" --out "$out/parts/$seed.sqlite"
        job "$out" "practice-$split-$seed" --seed "$seed" --database "$out/parts/$seed.sqlite" -n "$n" --split "$split"
        rm "$out/parts/$seed.sqlite"
    done
    exit
fi

wikisql_questions=$1 wikisql_tables=$2 wikitq_questions=$3 wikitq_tables=$4 out=$5 jobs=${6:-$(nproc)}
rm -rf "$out/parts"
mkdir -p "$out/parts"
{
    for part in $(seq 0 $((parts - 1))); do
        echo --wiki "$out" short "$part" 11 "$wikisql_questions" "$wikisql_tables" 45000 18000 16000 14000
        echo --wiki "$out" short "$part" 12 "$wikisql_questions" "$wikisql_tables" 0 8000 8000 7000
        echo --wiki "$out" agentbench "$part" 13 "$wikisql_questions" "$wikisql_tables" 4000 1000 1500 1500
        for seed in 21 22 23; do
            echo --wiki "$out" short "$part" "$seed" "$wikitq_questions" "$wikitq_tables" 15000 2500 2000 1500
        done
    done
    seq 101 $((100 + databases / share)) | xargs -n 20 echo --practice "$out" train 32
} | xargs -P "$jobs" -n 1 -d '\n' sh -c 'exec "$0" $1' "$0"
cat "$out"/parts/*.jsonl > "$out/rows.jsonl"
cat "$out"/parts/*.checker > "$out/checker.jsonl"
rm -rf "$out/parts"

# To choose the best checkpoint by: other tables, other databases.
mkdir -p "$out/parts"
job "$out" wikisql --seed 31 --split valid --questions "$wikisql_questions" --tables "$wikisql_tables" -n 120 --asks 60 \
    --inserts 100 --updates 100
job "$out" wikitq --seed 31 --split valid --questions "$wikitq_questions" --tables "$wikitq_tables" -n 40 --asks 20 \
    --inserts 20 --updates 20
"$0" --practice "$out" heldout 20 $(seq 9001 9012)
cat "$out"/parts/*.jsonl > "$out/valid.jsonl"
cat "$out"/parts/*.checker > "$out/checker-valid.jsonl"
rm -rf "$out/parts"
wc -l "$out/rows.jsonl" "$out/valid.jsonl" "$out/checker.jsonl" "$out/checker-valid.jsonl"
