"""llama.cpp's own server, in a process of its own: its threads do not always end with the one that began them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

SECONDS = 300
"""After which a request has failed; each takes milliseconds, but the machine may be busy."""


@dataclass(frozen=True)
class LlamaCpp:
    """A model that llama.cpp has opened."""

    address: str

    def post(self, path: str, **content: Any) -> dict[str, Any]:
        request = Request(self.address + path, json.dumps(content).encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=SECONDS) as answer:
            return json.load(answer)

    def ids(self, text: str, **how: bool) -> list[int]:
        return self.post("/tokenize", content=text, **{"add_special": False, "parse_special": False} | how)["tokens"]


@contextmanager
def opened(model: Path) -> Iterator[LlamaCpp]:
    """A GGUF in llama.cpp, which computes everything in fp32."""
    command = [sys.executable, "-P", __file__, str(model)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield LlamaCpp(process.stdout.readline().strip())
        finally:
            process.kill()


def serve(model: str) -> None:
    """Say where the server listens, and serve until the process that asked for it closes its end or is gone."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.n_ctx, parameters.n_parallel, parameters.warmup, parameters.verbosity = 256, 1, False, 0
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    # Unless it is told otherwise, keys, values and the sums of attention are in 16 bits.
    parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
