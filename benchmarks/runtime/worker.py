"""Run one case of the framework benchmark's worker with our adapter among its peers."""

import os
import runpy
import sys
import types
from pathlib import Path


def main() -> None:
    """Put the adapter where the worker looks for peers, then be the worker."""
    home = Path(os.environ["LOOM_BENCH"]) / "runtime"
    sys.path.insert(0, str(home))
    import adapters  # noqa: PLC0415 # pyright: ignore[reportMissingImports] -- the benchmark's own package

    from benchmarks.runtime import adapter  # noqa: PLC0415 -- it needs the path above

    ours = {
        "ours": adapter.Peer,
        "ours_compact": adapter.Compacting,
        "ours_journaled": adapter.Journaled,
    }
    for name, peer in ours.items():
        module = types.ModuleType(f"adapters.{name}")
        module.__dict__["Peer"] = peer
        sys.modules[f"adapters.{name}"] = module
        setattr(adapters, name, module)
    runpy.run_path(str(home / "worker.py"), run_name="__main__")


if __name__ == "__main__":
    main()
