#!/bin/sh
# Builds and runs fuzz targets: tests/fuzz/run.sh [SECONDS EACH [TARGET...]] (needs clang). Targets: gguf, safetensors,
# zip, template, tokenizer, tokenizer_json, spm, hf_config, sql, house. Corpora are kept in $FUZZ_DIR (default /tmp/cmat-fuzz) and go on where the last run
# ended; what was found lies beside them.
set -eu
cd "$(dirname "$0")/../.."
secs=${1:-60}
[ $# -gt 0 ] && shift
targets=${*:-gguf safetensors zip template tokenizer tokenizer_json spm hf_config sql house}
dir=${FUZZ_DIR:-/tmp/cmat-fuzz}
build=build-fuzz
[ -f $build/build.ninja ] || CC=clang meson setup $build -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false \
    -Dbuildtype=debugoptimized -Dc_args=-fsanitize=fuzzer-no-link > /dev/null

# Seeds: real small files, and replies of the kinds that an Actor writes.
seed_model() {
    ninja -C $build tests/make_tiny_model > /dev/null
    ASAN_OPTIONS=detect_leaks=0 $build/tests/make_tiny_model "$1/tiny"
    head -c 400 "$1/tiny" > "$1/cut"
}
seed_zip() {
    python3 -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("a.txt", "x" * 50); z.writestr("b/m.gguf", "y" * 90)' "$1/small.zip"
}
seed_template() {
    printf '%s' "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] | trim }}{% endfor %}" > "$1/chatml"
    printf '%s' "{%- if messages[0].role == 'system' -%}{{ messages[0].content }}{%- endif -%}{{ bos_token }}" > "$1/if"
}
seed_tokenizers() { # FOLDER FILE: that file of every tokenizer among the test vectors
    python3 -c 'import base64, json, sys
for e in json.load(open("tests/vectors/tokenizers.json")):
    for name, text in e["files"].items():
        if name.split(":")[0] == sys.argv[2]:
            data = base64.b64decode(text) if name.endswith(":base64") else text.encode()
            open(sys.argv[1] + "/" + e["name"].replace(" ", "-"), "wb").write(data)' "$1" "$2"
}
seed_hf_config() {
    printf '%s' '{"model_type":"llama","hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":300,"max_position_embeddings":512,"rms_norm_eps":1e-5,"rope_theta":10000.0,"rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":64}}' > "$1/llama"
    printf '%s' '{"metadata":{"total_size":1},"weight_map":{"model.norm.weight":"model-00001-of-00002.safetensors","lm_head.weight":"model-00002-of-00002.safetensors"}}' > "$1/index"
}
seed_sql() {
    i=0
    while IFS= read -r line; do
        for style in '\000' '\001' '\002' '\003'; do
            i=$((i + 1))
            case $style in
            '\000' | '\002') printf "$style%s" "$line" > "$1/seed$i" ;;
            *) printf "$style"'Action: Operation\n```sql\n%s\n```' "${line#*: }" > "$1/seed$i" ;;
            esac
        done
    done << 'EOF'
SQL: SELECT n, a FROM t WHERE n > 1 ORDER BY n DESC LIMIT 2
Final: UPDATE t SET a = 'x' WHERE n = 2
SQL: INSERT INTO t (n, `two words`) VALUES ('4', "a\'b"), (5.50, NULL)
SQL: DELETE FROM t WHERE a IN ('p', 'q') OR n BETWEEN 1 AND 3
SQL: SELECT CONCAT(a, '-', n), IF(n > 1, LEFT(a, 2), SUBSTRING_INDEX(a, 'o', -1)) FROM t GROUP BY n HAVING COUNT(*) > 0
SQL: WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 9) SELECT sum(x), printf('%.2f', avg(x)) FROM c
SQL: DESCRIBE t
Answer: ["a", 'b', 2]
SQL: SELECT replace(trim(a), 'p', instr(a, 'n')), REVERSE(a), FORMAT(n, 2), a REGEXP '^p' FROM t WHERE a LIKE '%o\_%'
SQL: CREATE TABLE u AS SELECT * FROM t JOIN t AS s USING (n)
EOF
}

seed_house() {
    printf '\000(define (problem p) (:objects a - agent l - location b - receptacle) (:init (atLocation a l) (receptacleAtLocation b l) (openable b)) (:goal (exists (?r - receptacle) (opened ?r))))' > "$1/problem"
    printf '\001(define (domain d) (:types agent location - thing) (:predicates (at ?a - agent ?l - location)) (:action go :parameters (?a - agent) :precondition (or (exists (?l - location) (at ?a ?l)) (not (= ?a ?a))) :effect (when (at ?a ?a) (not (at ?a ?a)))))' > "$1/domain"
    printf '\002grammar :: """{"task": [{"condition": "opened(r: receptacle) & not_holds(a: agent, o: object)", "rhs": "[{#x# | openable(r: receptacle)}] {r.name or r.id} #x#"}], "x": [{"rhs": "y"}]}"""; action look { template :: "look"; feedback :: "{a}"; }' > "$1/grammar"
    printf '\003Think: hm\ngo to garbagecan 1' > "$1/reply"
    printf '\004THOUGHT: hm\n ACTION: go to the garbagecan' > "$1/reply2"
}

for t in $targets; do
    mkdir -p "$dir/$t"
    case $t in
    gguf | tokenizer) seed_model "$dir/$t" ;;
    safetensors) cp tests/vectors/peft_adapter/*.safetensors "$dir/$t/" ;;
    zip) seed_zip "$dir/$t" ;;
    template) seed_template "$dir/$t" ;;
    tokenizer_json) seed_tokenizers "$dir/$t" tokenizer.json ;;
    spm) seed_tokenizers "$dir/$t" tokenizer.model ;;
    hf_config) seed_hf_config "$dir/$t" ;;
    sql) seed_sql "$dir/$t" ;;
    house) seed_house "$dir/$t" ;;
    esac
    ninja -C $build "tests/fuzz_$t" > /dev/null
    echo "$t: $secs s"
    "$build/tests/fuzz_$t" -max_total_time="$secs" -timeout=20 -rss_limit_mb=2048 -max_len=65536 \
        -artifact_prefix="$dir/$t-" "$dir/$t"
done
