"""The rows, in the order of the table."""
from . import dump, guest, replay, component, backtrace, editor, variables, json, memory, heap, objects, start  # noqa: F401
