"""llama.cpp for tests: loads a GGUF file, tokenizes, embeds, computes logits.

Calls the libllama that benchmarks/install_peers.sh builds, through ctypes. The structures are those
of the version pinned in benchmarks/peers.txt.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.bench.peers import ggml_library

_I32, _U32, _F32, _P, _BOOL = (
    ctypes.c_int32,
    ctypes.c_uint32,
    ctypes.c_float,
    ctypes.c_void_p,
    ctypes.c_bool,
)


class _ModelParams(ctypes.Structure):
    _fields_ = (
        ("devices", _P),
        ("tensor_buft_overrides", _P),
        ("n_gpu_layers", _I32),
        ("split_mode", _I32),
        ("load_mode", _I32),
        ("lazy_mode", _I32),
        ("main_gpu", _I32),
        ("tensor_split", _P),
        ("progress_callback", _P),
        ("progress_callback_user_data", _P),
        ("kv_overrides", _P),
        ("flags", _BOOL * 6),
    )


class _ContextParams(ctypes.Structure):
    _fields_ = (
        ("n_ctx", _U32),
        ("n_batch", _U32),
        ("n_ubatch", _U32),
        ("n_seq_max", _U32),
        ("n_rs_seq", _U32),
        ("n_outputs_max", _U32),
        ("n_outputs_max_per_seq", _U32),
        ("n_threads", _I32),
        ("n_threads_batch", _I32),
        ("kinds", _I32 * 5),
        ("rope_and_yarn", _F32 * 6),
        ("yarn_orig_ctx", _U32),
        ("defrag_thold", _F32),
        ("cb_eval", _P),
        ("cb_eval_user_data", _P),
        ("type_k", _I32),
        ("type_v", _I32),
        ("abort_callback", _P),
        ("abort_callback_data", _P),
        ("embeddings", _BOOL),
        ("other_flags", _BOOL * 5),
        ("samplers", _P),
        ("n_samplers", ctypes.c_size_t),
        ("ctx_other", _P),
    )


class _Batch(ctypes.Structure):
    _fields_ = (
        ("n_tokens", _I32),
        ("token", ctypes.POINTER(_I32)),
        ("embd", _P),
        ("pos", ctypes.POINTER(_I32)),
        ("n_seq_id", ctypes.POINTER(_I32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(_I32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    )


_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "llama_backend_init": (None, []),
    "llama_model_default_params": (_ModelParams, []),
    "llama_model_load_from_file": (_P, [ctypes.c_char_p, _ModelParams]),
    "llama_model_free": (None, [_P]),
    "llama_model_get_vocab": (_P, [_P]),
    "llama_model_n_embd": (_I32, [_P]),
    "llama_vocab_n_tokens": (_I32, [_P]),
    "llama_context_default_params": (_ContextParams, []),
    "llama_init_from_model": (_P, [_P, _ContextParams]),
    "llama_free": (None, [_P]),
    "llama_tokenize": (_I32, [_P, ctypes.c_char_p, _I32, _P, _I32, _BOOL, _BOOL]),
    "llama_batch_init": (_Batch, [_I32, _I32, _I32]),
    "llama_batch_free": (None, [_Batch]),
    "llama_decode": (_I32, [_P, _Batch]),
    "llama_encode": (_I32, [_P, _Batch]),
    "llama_get_embeddings_seq": (ctypes.POINTER(_F32), [_P, _I32]),
    "llama_get_logits_ith": (ctypes.POINTER(_F32), [_P, _I32]),
    "llama_log_set": (None, [_P, _P]),
}

# Keeps what llama.cpp says, for when it refuses a file.
_said: list[str] = []
_LOG = ctypes.CFUNCTYPE(None, _I32, ctypes.c_char_p, _P)(
    lambda level, text, _: _said.append((text or b"").decode(errors="replace"))
)


def installed() -> bool:
    """Whether `make bench-peers` has built libllama."""
    folder = ggml_library.library_folder()
    return folder is not None and (folder / "libllama.so").exists()


@functools.cache
def _library() -> ctypes.CDLL:
    folder = ggml_library.library_folder()
    assert folder is not None
    library = ctypes.CDLL(str(folder / "libllama.so"))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.llama_log_set(ctypes.cast(_LOG, _P), None)
    library.llama_backend_init()
    return library


class LlamaCpp:
    """An open model. Raises RuntimeError, with what llama.cpp said, if it refuses the file."""

    def __init__(self, path: Path, *, embeddings: bool = False, context: int = 128) -> None:
        self._context = self._model = None
        lib = self._lib = _library()
        _said.clear()
        self._model = lib.llama_model_load_from_file(
            str(path).encode(), lib.llama_model_default_params()
        )
        if not self._model:
            raise RuntimeError("llama.cpp: " + "".join(_said)[-2000:])
        self._vocab = lib.llama_model_get_vocab(self._model)
        self.width = lib.llama_model_n_embd(self._model)
        self.words = lib.llama_vocab_n_tokens(self._vocab)
        params = lib.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = context
        params.n_threads = params.n_threads_batch = 2
        params.embeddings = embeddings
        self._context = lib.llama_init_from_model(self._model, params)
        if not self._context:
            raise RuntimeError("llama.cpp: " + "".join(_said)[-2000:])

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Token ids; special: with those put before and after."""
        raw = text.encode()
        ids = (_I32 * (len(raw) + 16))()
        count = self._lib.llama_tokenize(self._vocab, raw, len(raw), ids, len(ids), special, True)
        assert count >= 0
        return list(ids[:count])

    def embed(self, text: str) -> npt.NDArray[np.float32]:
        """The pooled vector of a text, normalized to length 1 [width]."""
        self._run(self._lib.llama_encode, self.tokenize(text))
        found = self._lib.llama_get_embeddings_seq(self._context, 0)
        vector = np.ctypeslib.as_array(found, (self.width,)).copy()
        return np.asarray(vector / np.linalg.norm(vector), np.float32)

    def logits(self, ids: list[int]) -> npt.NDArray[np.float32]:
        """The logits after each of some token ids [len(ids), words]."""
        self._run(self._lib.llama_decode, ids)
        rows = [self._lib.llama_get_logits_ith(self._context, i) for i in range(len(ids))]
        return np.stack([np.ctypeslib.as_array(row, (self.words,)).copy() for row in rows])

    def _run(self, function: Any, ids: list[int]) -> None:
        batch = self._lib.llama_batch_init(len(ids), 0, 1)
        try:
            batch.n_tokens = len(ids)
            for index, token in enumerate(ids):
                batch.token[index], batch.pos[index] = token, index
                batch.n_seq_id[index], batch.seq_id[index][0] = 1, 0
                batch.logits[index] = 1
            assert function(self._context, batch) == 0
        finally:
            self._lib.llama_batch_free(batch)

    def __enter__(self) -> LlamaCpp:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._context:
            self._lib.llama_free(self._context)
        if self._model:
            self._lib.llama_model_free(self._model)
        self._context = self._model = None
