"""Stands in for FunASR in the processes of guarded models: FunASR itself takes seconds to import.

What it does is as little as the toys of ``support/guarded_toys.py`` need. That FunASR's own
AutoModel is called as it should be is tested with FunASR itself.
"""


def import_submodules(name: str) -> None:
    """There are none."""
