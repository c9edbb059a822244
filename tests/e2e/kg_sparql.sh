#!/bin/sh
# kg_sparql.sh - the same questions on a graph's file and on Virtuoso with the same triples: the same observations and
# answers. Skipped where there is no virtuoso-t (Debian: virtuoso-opensource-7).
command -v virtuoso-t >/dev/null && command -v isql-vt >/dev/null || {
    echo "skipped: no virtuoso-t and isql-vt here"
    exit 77
}
. "$(dirname "$0")/lib.sh"
port=$((20000 + $$ % 20000))
i=0
e=http://films.example/
while [ $i -lt 60 ]; do
    printf '<%sF%d> <%sdirected_by> <%sD%d> .\n<%sF%d> <%sactor> <%sA%d> .\n' \
        $e $i $e $e $((i % 9)) $e $i $e $e $((i % 13))
    printf '<%sF%d> <%syear> "%d"^^<http://www.w3.org/2001/XMLSchema#integer> .\n' $e $i $e $((1960 + i % 30))
    printf '<%sF%d> <%stitle> "Film %d"@en .\n<%sF%d> <%stitle> "Streifen %d"@de .\n' $e $i $e $i $e $i $e $i
    i=$((i + 1))
done >films.nt
cat >v.ini <<EOF
[Database]
DatabaseFile = $scratch/v.db
ErrorLogFile = $scratch/v.log
LockFile = $scratch/v.lck
TransactionFile = $scratch/v.trx
xa_persistent_file = $scratch/v.pxa
[TempDatabase]
DatabaseFile = $scratch/vt.db
TransactionFile = $scratch/vt.trx
[Parameters]
ServerPort = 127.0.0.1:$port
NumberOfBuffers = 2000
MaxDirtyBuffers = 1000
DirsAllowed = $scratch
[HTTPServer]
ServerPort = 127.0.0.1:$((port + 1))
ServerRoot = $scratch
EOF
virtuoso-t +foreground +configfile v.ini >server.log 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$scratch"' EXIT
i=0
until isql-vt $port dba dba exec="DB.DBA.TTLP(file_to_string_output('$scratch/films.nt'), '', 'http://films.example/g');" \
    >load.log 2>&1 </dev/null; do
    i=$((i + 1))
    kill -0 $server 2>/dev/null && [ $i -lt 600 ] || {
        echo "skipped: the server does not start: $(tail -n 1 server.log)"
        exit 77
    }
    sleep 0.1
done

expect 0 "$CMAT" env tasks kg --world films.nt -n 21 --out tasks.jsonl
[ "$(ls "$CMAT_HOME"/kg/*.kg | wc -l)" = 1 ] || fail "the graph was not kept"
mv "$CMAT_HOME"/kg/*.kg films.kg
echo "{\"sparql\": \"http://127.0.0.1:$((port + 1))/sparql\", \"graph\": \"http://films.example/g\", \"schema\": \"films.kg\"}" \
    >endpoint.json
for style in short agentbench; do
    expect 0 env STYLE=$style "$KG_AGREE" films.kg tasks.jsonl 21 endpoint.json
    has out "gold_answers 21"
    has out "same_observations 21"
    has out "same_scores 21"
done
expect 0 "$CMAT" env tasks kg --world endpoint.json --tasks tasks.jsonl --rows --out rows.jsonl
[ "$(wc -l <rows.jsonl)" = 21 ] || fail "the oracle does not solve all 21 on the endpoint"
# by its address alone: relations by their IRIs, types unknown
printf 'get_relations(F3)\nget_neighbors(F3, http://films.example/directed_by)\n' >keys
echo '{"id": "t", "instruction": "who?", "entities": {"F3": "http://films.example/F3"}, "answer": ["http://films.example/D3"]}' >one.jsonl
"$CMAT" env play kg --world "http://127.0.0.1:$((port + 1))/sparql" --tasks one.jsonl <keys >out 2>err || fail "play gives $?"
has out "http://films.example/year"
has out "#0: 1 thing (http://films.example/D3)"
finish
