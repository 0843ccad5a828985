"""The rows, in the order of the table."""
from . import dump, guest, backtrace, variables, json, memory, heap, objects, start  # noqa: F401
