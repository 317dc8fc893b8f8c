#!/usr/bin/env bash
# DuckDB 2.0.1 finds no NaN in a Parquet file whose column has a minimum and a maximum.
#
# Parquet leaves NaN out of a column's minimum and maximum (pyarrow 26 writes them so). To DuckDB NaN
# is greater than every number, and `isnan(x)` or `x > 5` is answered by the statistics: a row group
# whose maximum is finite is skipped, NaN and all. The same values in a table of DuckDB's, or in a
# file without statistics of that column, are found. `count(*) FILTER (isnan(x))` finds them too,
# as it filters nothing away.
#
# Seen with duckdb 2.0.1 and pyarrow 26.0.1: 0 rows from the file with statistics, 1 from the one
# without. Who writes Parquet with NaN for others leaves out the statistics of such columns
# (`write_statistics=[columns]`). This script fails if that changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip install --quiet duckdb==2.0.1 pyarrow==26.0.1
cat > show.py <<'PYTHON'
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

table = pa.table({"trial": ["a", "b"], "loss": [1.0, float("nan")]})
pq.write_table(table, "with.parquet")
pq.write_table(table, "without.parquet", write_statistics=["trial"])
for name in ("with", "without"):
    where = f"SELECT count(*) FROM '{name}.parquet' WHERE isnan(loss)"
    inside = f"SELECT count(*) FILTER (isnan(loss)) FROM '{name}.parquet'"
    counts = [duckdb.execute(query).fetchall()[0][0] for query in (where, inside)]
    print(name, *counts)
PYTHON
venv/bin/python show.py | tee seen
[ "$(cat seen)" = "with 0 1
without 1 1" ]
