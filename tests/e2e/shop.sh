#!/bin/sh
# shop.sh - the shop in the program: tasks, an episode by hand, the web site, eval with a tiny model; with WebShop's files where
# they lie beside the source, its goals and their gold.
. "$(dirname "$0")/lib.sh"
"$MAKE_TINY_MODEL" tiny.gguf 4096
export CMAT_MODEL="$scratch/tiny.gguf"

expect 0 "$CMAT" env show shop
has out "search[words]"
expect 0 "$CMAT" env tasks shop -n 20 --out tasks.jsonl
expect 0 "$CMAT" env tasks shop -n 20 --out again.jsonl
cmp -s tasks.jsonl again.jsonl || fail "the same seed gives other tasks"
sort -r tasks.jsonl >turned.jsonl
expect 0 "$CMAT" env show shop --tasks tasks.jsonl
sum=$(sed -n 's/.*sha256 //p' out)
expect 0 "$CMAT" env show shop --tasks turned.jsonl
[ "$sum" = "$(sed -n 's/.*sha256 //p' out)" ] || fail "the hash depends on the order"
expect 0 "$CMAT" env tasks shop --tasks tasks.jsonl --rows --out rows.jsonl
[ "$(wc -l <rows.jsonl)" -ge 20 ] || fail "the oracle does not buy all 20"

# by hand: a mistake, a search, undo, a hint, and the end of input
printf 'click[buy now]\nsearch[the]\nsearch[made for]\n:undo\n:hint\n' >keys
"$CMAT" env play shop --tasks tasks.jsonl -n 1 <keys >out 2>err || fail "play gives status $?"
has out "cannot be clicked on this page"
has out "note: no product has any of these words"
has out "Nothing was found."
has out "undone"
has out "score: 0 (2 steps)"

# products of one's own
mkdir -p own
cat >own/products.jsonl <<'EOF'
{"asin": "K1", "name": "Tin Kettle", "small_description": ["bpa free"], "pricing": "$12.50", "attributes": ["bpa free", "heat resistant"], "options": {"size": ["small", "large"]}, "query": "kettles", "category": "kitchen", "product_category": "Kitchen"}
{"asin": "K2", "name": "Glass Kettle", "small_description": ["bpa free"], "pricing": "$30", "attributes": ["glass lid"], "options": {}, "query": "kettles", "category": "kitchen", "product_category": "Kitchen"}
EOF
for split in train valid heldout; do
    "$CMAT" env tasks shop --world own -n 1 --split $split >>made 2>err || one_line err
done
grep -q kettles made || fail "no task about one's own products"
expect 1 "$CMAT" env tasks shop --tasks own
has err "no goals"
one_line err
expect 1 "$CMAT" env tasks shop --world nowhere
one_line err
echo '{"asin"' >own/products.jsonl
expect 1 "$CMAT" env play shop --world own
has err "line 1"
one_line err

all_right shop --tasks tasks.jsonl
expect 0 "$CMAT" eval shop --tasks tasks.jsonl -n 2 --max-steps 3 --max-tokens 24
expect 0 "$CMAT" eval shop -n 2 --max-steps 2 --max-tokens 24 --style agentbench --json
has out '"comparison"'

# the web site, while it lasts
"$CMAT" env serve shop --tasks tasks.jsonl >served 2>err &
server=$!
for i in $(seq 200); do # it may be busy here
    grep -q http served || ! kill -0 $server 2>/dev/null && break
    sleep 0.1
done
if grep -q 'http://127.0.0.1:' served; then
    url=$(sed -n 's/\(http[^ ]*\).*/\1/p' served)
    if command -v curl >/dev/null; then
        expect 0 curl -s -L --noproxy '*' "${url}start?task=0"
        has out 'id="search_input"'
    fi
    kill -INT $server
    wait $server || fail "serve ends with status $?"
else
    kill $server 2>/dev/null
    wait $server
    has err "no web site"
fi
expect 2 "$CMAT" env serve house
one_line err

data="${CMAT_TEST_DATA:-$CMAT_TEST_ROOT/../shared/data}/webshop"
if [ -r "$data/products_1000.jsonl.xz" ]; then
    mkdir -p webshop
    xz -dc "$data/products_1000.jsonl.xz" | head -n 150 >webshop/products.jsonl
    cp "$data"/items_ins_v2_1000*.json webshop/
    chmod u+w webshop/*
    expect 0 "$CMAT" env tasks shop --tasks webshop --out goals.jsonl
    [ "$(wc -l <goals.jsonl)" -gt 100 ] || fail "few goals"
    expect 0 "$CMAT" env tasks shop --tasks goals.jsonl --rows --out rows.jsonl
fi
finish
