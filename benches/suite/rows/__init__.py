"""The rows, in the order of the table."""
from . import dump, guest, backtrace, variables, json, memory, objects, start  # noqa: F401
