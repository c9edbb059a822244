#!/bin/sh
# Builds and runs the fuzz target of the database environment: tests/fuzz/run_sql.sh [seconds] (needs clang).
# The corpus is kept in $FUZZ_DIR (default /tmp/cmat-fuzz) and goes on where the last run ended.
set -eu
cd "$(dirname "$0")/../.."
secs=${1:-60}
dir=${FUZZ_DIR:-/tmp/cmat-fuzz}
mkdir -p "$dir/sql"
cflags="-g -O1 -std=gnu11 -D_GNU_SOURCE -Iinclude -Isrc -fsanitize=address,undefined
    -fno-sanitize-recover=undefined"
i=0
while IFS= read -r line; do
    for style in '\000' '\001' '\002' '\003'; do
        i=$((i + 1))
        case $style in
        '\000' | '\002') printf "$style%s" "$line" > "$dir/sql/seed$i" ;;
        *) printf "$style"'Action: Operation\n```sql\n%s\n```' "${line#*: }" > "$dir/sql/seed$i" ;;
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
clang $cflags -fsanitize=fuzzer -o "$dir/fuzz_sql" tests/fuzz/fuzz_sql.c src/core/*.c src/env/*.c \
    -lsqlite3 -ljansson -lyaml -lnettle -lm
"$dir/fuzz_sql" -max_total_time="$secs" -timeout=20 -rss_limit_mb=2048 -max_len=4096 \
    -artifact_prefix="$dir/sql-" "$dir/sql"
