"""Limits on what a repository may make this program read, build or evaluate. All are generous for people's files."""

from __future__ import annotations

FILE_BYTES = 4 << 20
"""A declaration file; larger ones are refused by their size, before they are read."""
TOTAL_BYTES = 64 << 20
"""All declaration files that one infra is made of."""
DEPTH = 64
"""Maps and lists inside each other."""
NODES = 500_000
"""Values in one file."""
EDIT_BYTES = 256 << 10
"""A file that an edit command rewrites: comments and order are kept, which is slow work."""

EVALUATION_CPU_SECONDS = 5
"""Processor time for one Jsonnet file, or for one config against its schema."""
EVALUATION_WALL_SECONDS = 60.0
"""For all Jsonnet files, or all configs, of one infra."""
EVALUATION_MEMORY_BYTES = 512 << 20
"""Beyond what the evaluator itself reserves when it starts."""
JSONNET_OUTPUT_BYTES = 16 << 20
JSONNET_STACK = 400
"""Call frames inside each other."""
SCHEMA_FAULTS = 100
"""Faults told of one config."""
