"""Conversion of formats whose parsers nobody should trust, in a process that can be killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from knowledge.core import errors
from knowledge.core.types import LoadedText

TIMEOUT_S = 90.0
_ROOT = Path(__file__).resolve().parents[2]
_ERRORS = {
    "knowledge.document_too_large": errors.DocumentTooLarge,
    "knowledge.document_empty": errors.DocumentEmpty,
}


def convert(kind: str, content: bytes, *, timeout_s: float = TIMEOUT_S) -> LoadedText:
    """Return the text of a file of this format, one of the child's `READERS`.

    Raises:
        DocumentTooLarge: It unpacks to, or takes, more than one file may have.
        DocumentUnreadable: It is malformed, encrypted, or took too long.
    """
    # Nothing of our environment: a parser that was taken over finds no keys in it.
    environment = {"PYTHONPATH": str(_ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
        [sys.executable, "-m", "knowledge.loaders.child", kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=_ROOT,
        env=environment,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(content, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise errors.DocumentUnreadable(
            f"The file was not read within {timeout_s:.0f} s: split it, or save it anew."
        ) from None
    finally:
        _end(process)
    try:
        answer = json.loads(output)
    except ValueError:
        reason = f"signal {-process.returncode}" if process.returncode < 0 else "no answer"
        raise errors.DocumentUnreadable(
            f"The file took more time or memory than one file may have ({reason})."
        ) from None
    if "error" in answer:
        raise _ERRORS.get(answer["code"], errors.DocumentUnreadable)(answer["error"])
    return LoadedText(**answer)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
