"""CSV files as people have them: how one is written is found out, what is passed over is said, the rest is an error.

From the bytes of a file (`files`) to UTF-8 (`decoding`), to the delimiter and the quotes (`dialect`), to the header
line (`header`), to the rows (`rows`), and to the rows that are none (`passing`).
"""

from orchestrator.data.csv.reader import CsvTable, parse_csv, read_csv
from orchestrator.data.csv.rows import CsvLimits

__all__ = ["CsvLimits", "CsvTable", "parse_csv", "read_csv"]
