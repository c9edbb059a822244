#!/bin/sh
# bench/start_scores.sh - what a model scores in the six environments before it is tuned.
#
# usage: bench/start_scores.sh DATA OUT [build folder] [ROW...]
# DATA: the benchmarks' own files, any of them:
#   db/agentbench_dev.jsonl  os/data/dev.json  os/train_0317/training.json  kg/agentbench/{dev,train}.json
#   kg/metaqa/{kb_reconstructed.txt,q1hop_dev_verified.jsonl}  mind2web/skillgen_train_100.json
#   webshop/{products_1000.jsonl,items_ins_v2_1000.train.json}  alfworld/valid_seen (game.tw-pddl below it)
# (packed ones, .xz or alfworld/games_valid_seen.tar.xz, are unpacked into OUT/data). OUT: where results stay. What is there
# already is not run again, and a row that was stopped goes on where it was, so the script may be killed and called again.
# ROW: of db os os-train kg kg-train metaqa web shop house (all), or "table" (only print).
#
# Every row is run in two styles: AgentBench's prompts without constraint or Checker, and the short prompts with both
# (each Checker at its default: the dry run's facts). Prints n, successes, the score and its 95 % interval, as Markdown.
# MODEL=FILE, TASKS=N (of each row at most), TOKENS=N of a reply (256), THREADS=N, OPTIONS="--actor DIR ..." go to every run;
# STYLES="short agentbench" says which are run.
set -eu
data=${1:?usage: bench/start_scores.sh DATA OUT [build folder] [ROW...]}
out=${2:?usage: bench/start_scores.sh DATA OUT [build folder] [ROW...]}
cmat=${3:-build}/src/cli/cmat
all="db os os-train kg kg-train metaqa web shop house"
if [ $# -gt 3 ]; then
    shift 3
else
    # shellcheck disable=SC2086
    set -- $all
fi
mkdir -p "$out/data"

note() { echo "start_scores.sh: $*" >&2; }

# file NAME: the path of DATA/NAME, unpacked into OUT/data where it is packed; empty without one
file() {
    if [ -e "$data/$1" ]; then
        echo "$data/$1"
    elif [ -f "$data/$1.xz" ]; then
        mkdir -p "$out/data/$(dirname "$1")"
        [ -f "$out/data/$1" ] || { xz -dc "$data/$1.xz" >"$out/data/$1.part" && mv "$out/data/$1.part" "$out/data/$1"; }
        echo "$out/data/$1"
    fi
}

# The closed graph is made of the questions with ontology/ beside them.
kg_train() {
    f=$(file kg/agentbench/train.json)
    [ -z "$f" ] || [ -e "$(dirname "$f")/ontology" ] || ln -s "$(realpath "$data/kg/agentbench/ontology")" "$(dirname "$f")/ontology"
    echo "$f"
}

shop() {
    f=$(file webshop/products_1000.jsonl)
    [ -n "$f" ] || return 0
    [ -e "$(dirname "$f")/items_ins_v2_1000.json" ] || [ ! -e "$data/webshop/items_ins_v2_1000.train.json" ] ||
        [ "$(dirname "$f")" = "$data/webshop" ] ||
        ln -sf "$(realpath "$data/webshop/items_ins_v2_1000.train.json")" "$(dirname "$f")/"
    dirname "$f"
}

house() {
    if [ -f "$data/alfworld/games_valid_seen.tar.xz" ] && [ ! -d "$out/data/house" ]; then
        mkdir -p "$out/data/house.part"
        tar -xJf "$data/alfworld/games_valid_seen.tar.xz" -C "$out/data/house.part" && mv "$out/data/house.part" "$out/data/house"
    fi
    if [ -d "$out/data/house" ]; then echo "$out/data/house"; else file alfworld/valid_seen; fi
}

# describe ROW: sets env, tasks (a path), n, world
describe() {
    world=
    case $1 in
    db) env=db tasks=$(file db/agentbench_dev.jsonl) n=60 ;;
    os) env=os tasks=$(file os/data/dev.json) n=26 ;;
    os-train) env=os tasks=$(file os/train_0317/training.json) n=74 ;;
    kg) env=kg tasks=$(file kg/agentbench/dev.json) n=20 world=$tasks ;;
    kg-train) env=kg tasks=$(kg_train) n=50 world=$tasks ;;
    metaqa) env=kg tasks=$(file kg/metaqa/q1hop_dev_verified.jsonl) n=50 world=$(file kg/metaqa/kb_reconstructed.txt) ;;
    web) env=web tasks=$(file mind2web/skillgen_train_100.json) n=100 ;;
    shop) env=shop tasks=$(shop) n=50 ;;
    house) env=house tasks=$(house) n=50 ;;
    *) note "no row is called $1" && exit 1 ;;
    esac
    [ -z "${TASKS:-}" ] || [ "$TASKS" -ge "$n" ] || n=$TASKS
}

# run ROW STYLE OPTION...
run() {
    row=$1 style=$2
    shift 2
    to="$out/$style/$row"
    [ -s "$to.json" ] && return 0
    mkdir -p "$out/$style"
    # shellcheck disable=SC2086
    "$cmat" eval "$env" -q --tasks "$tasks" ${world:+--world "$world"} -n "$n" --style "$style" --max-tokens "${TOKENS:-256}" \
        ${MODEL:+--model "$MODEL"} -t "${THREADS:-0}" --run "$to.run" --out "$to.json" "$@" ${OPTIONS:-} >"$to.txt" 2>"$to.err" || {
        note "$row, $style: $(tail -n 1 "$to.err")"
        rm -f "$to.json"
    }
}

# cell FILE: "right of n, percent [low, high]" and what else the environment measures, of a run's report
cell() {
    if [ ! -s "$1" ]; then
        printf "not run"
        return
    fi
    awk '
        /^ *all tasks/ { gsub(/[][,%]/, " "); right = $3; n = $5; score = $6 " [" $7 ", " $8 "]" }
        /^Mean score:/ { extra = ", mean score " $3 " %" }
        /^Mean F1:/ { extra = ", mean F1 " $3 " %" }
        /^Mean element accuracy:/ { extra = ", element accuracy " $4 " %" }
        /^An episode:/ { turns = ", " $3 " turns" }
        END { printf "%d of %d: %s%s%s", right, n, score, extra, turns }' "$1"
}

table() {
    echo "| | AgentBench's prompts, neither constraint nor Checker | short prompts, constraint, Checker's facts |"
    echo "|---|---|---|"
    for row; do
        [ -s "$out/agentbench/$row.json" ] || [ -s "$out/short/$row.json" ] || continue
        echo "| $row | $(cell "$out/agentbench/$row.txt") | $(cell "$out/short/$row.txt") |"
    done
}

for row; do
    [ "$row" = table ] && continue
    describe "$row"
    [ -n "$tasks" ] || { note "$row: its tasks are not in $data" && continue; }
    for style in ${STYLES:-short agentbench}; do
        case $style in
        short) run "$row" short --checker facts ;;
        *) run "$row" agentbench --checker off --constraint=false ;;
        esac
    done
done
# shellcheck disable=SC2086
table $all
