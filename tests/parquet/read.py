"""Reads a Parquet file with Apache Arrow's own reader, and prints its columns' types, then each row, as lines of JSON."""

import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq

file = pq.ParquetFile(sys.argv[1])
table = file.read()
types = {field.name: str(field.type) for field in table.schema}
print(json.dumps({"types": types, "groups": file.num_row_groups}))
for at, field in enumerate(table.schema):
    if pa.types.is_timestamp(field.type):
        table = table.set_column(at, field.name, table.column(at).cast(pa.int64()))
for row in table.to_pylist():
    print(json.dumps({key: value.decode() if isinstance(value, bytes) else value for key, value in row.items()}))
