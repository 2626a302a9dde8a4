"""Print the kernels that torch.compile makes of one layer of the served decoder, for a GPU that need not be there.

It takes triton (pip install triton) and PyTorch without CUDA: graphs are traced on the CPU without values, brought to a
GPU of compute capability 9.0 in name, and lowered by inductor to the code that would call the kernels. Nothing becomes
binary code and nothing runs. Made with torch 2.13; where a GPU is, TORCH_LOGS=output_code says the same.

    python tests/manual/compiled_kernels.py LAYER BATCH TOKENS
"""

import contextlib
import re
import sys
from types import SimpleNamespace
from typing import Any

import torch
import torch._inductor.compile_fx as lowering
from torch import Tensor
from torch._guards import detect_fake_mode
from torch._inductor.debug import DebugContext
from torch._inductor.fx_passes.post_grad import post_grad_passes
from torch._inductor.graph import GraphLowering
from torch._inductor.runtime.hints import DeviceProperties
from torch._inductor.virtualized import V
from torch._subclasses.fake_tensor import FakeTensorMode
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver

from dsocr_symbolic.verification.reference.config import DecoderConfig
from dsocr_symbolic.verification.served.weights import build_served

HOPPER = {"multi_processor_count": 132, "cc": 90, "major": 9, "regs_per_multiprocessor": 65536, "warp_size": 32}
LIMITS = {"max_threads_per_multi_processor": 2048, "max_threads_per_block": 1024}
NAMED = {"name": "pretended", "gcnArchName": "", "total_memory": 2**37, "minor": 0, "L2_cache_size": 50 * 2**20}


class _Target:
    """As much of triton's driver as inductor asks before it has compiled anything."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", HOPPER["cc"], HOPPER["warp_size"])

    def get_current_device(self) -> int:
        return 0


def pretend() -> None:
    """Let PyTorch and triton answer as if there were such a GPU."""
    cuda: Any = torch.cuda
    cuda.is_available, cuda.device_count, cuda.current_device = (lambda: True), (lambda: 1), (lambda: 0)
    cuda.get_device_capability = lambda *_: divmod(HOPPER["cc"], 10)
    cuda.get_rng_state, cuda.set_rng_state = (lambda *_, **__: torch.empty(0)), (lambda *_, **__: None)
    # The device's name and sizes, as far as they are asked for.
    cuda.get_device_properties = lambda *_: SimpleNamespace(**NAMED, **HOPPER, **LIMITS)
    cuda.synchronize = cuda._lazy_init = lambda *_: None
    known: Any = DeviceProperties
    known.create = classmethod(lambda cls, _: cls(type="cuda", index=0, **HOPPER, **LIMITS))
    driver.set_active(_Target())


def code_of(function: Any, *arguments: object) -> str:
    """Return the code that inductor writes of a function of tensors without values."""
    written: list[str] = []

    def brought(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="cuda")

    def lowered(graph: Any, inputs: Any, **_: object) -> None:
        mode: Any = detect_fake_mode(inputs)
        with mode:
            for node in graph.graph.nodes:
                if node.kwargs.get("device") is not None:
                    node.kwargs = {**node.kwargs, "device": torch.device("cuda:0")}
                if "val" in node.meta:
                    node.meta["val"] = torch.utils._pytree.tree_map(brought, node.meta["val"])
            inputs = [brought(each) for each in inputs]
        graph.recompile()
        with V.set_fake_mode(mode):
            lowering.view_to_reshape(graph)
            lowering.record_original_output_strides(graph)
            post_grad_passes(graph, is_inference=True)
            made = GraphLowering(graph, example_inputs=inputs, is_inference=True)
            with V.set_graph_handler(made), V.set_extern_kernel_nodes([]), DebugContext():
                made.run(*inputs)
                code, _ = made.codegen()
                written.append(code.value)
        raise SystemExit

    def backend(graph: Any, inputs: Any) -> Any:
        return lowering.compile_fx(graph, inputs, inner_compile=lowered)

    with contextlib.suppress(SystemExit), torch.no_grad():
        torch.compile(function, fullgraph=True, dynamic=False, backend=backend)(*arguments)
    return written[0]


def show(code: str) -> None:
    """Print every kernel with the tensors that it reads and writes, and every call of PyTorch's own."""
    takes = {found[1]: found[2] for found in re.finditer(r"def (triton_\w+)\(([^)]*)\)", code)}
    shapes = {
        found[1]: found[2] + found[3]
        for found in re.finditer(
            r"(\w+) = (?:empty_strided_cuda|rand_strided)\((\(.*?\)), \(.*?\),.*?torch\.(\w+)\)", code
        )
    }
    shapes |= {
        found[1]: f"{found[3]} in {found[2]}"
        for found in re.finditer(r"(buf\d+) = reinterpret_tensor\((\w+), (\(.*?\)), ", code)
    }
    for line in map(str.strip, code[code.index("def call(self") : code.index("runner = Runner")].splitlines()):
        if found := re.match(r"(triton_\w+)\.run\((.*), stream", line):
            names = [each.split(":")[0].strip() for each in takes[found[1]].split(",")]
            print(found[1])
            for name, given in zip(names, re.split(r", (?![^()]*\))", found[2]), strict=False):
                if "ptr" in name:
                    print(f"    {name:12} {given} {shapes.get(given, '')}")
        elif ("extern_kernels." in line or "torch.ops." in line) and not line.startswith(("assert", "#")):
            print(re.sub(r"reinterpret_tensor\((\w+), (\(.*?\)), .*?\), \d+\)", r"\1 \2", line))


def main(layer: int, batch: int, tokens: int) -> None:
    """Print both compiled functions of a layer."""
    pretend()
    config = DecoderConfig()
    decoder = build_served(config)
    one: Any = decoder.layers[layer]
    next_norm: Any = decoder.next_norms[layer]
    with FakeTensorMode(allow_non_fake_inputs=True):
        for module in (*one.modules(), next_norm):
            held: Any = module
            for kind in (held._parameters, held._buffers):
                for name, value in kind.items():
                    if value is None:
                        continue
                    new = torch.empty_like(value, device="cpu")
                    kind[name] = torch.nn.Parameter(new, requires_grad=False) if kind is held._parameters else new
        x, normed, attended = (torch.empty(batch, tokens, config.hidden_size, dtype=torch.bfloat16) for _ in range(3))
        cos, sin = (torch.empty(batch, tokens, 1, config.head_dim, dtype=torch.bfloat16) for _ in range(2))
        for title, function, arguments in (
            ("before the attention", one.self_attn.joined, (normed, cos, sin)),
            ("after the attention", one.after, (x, attended, next_norm)),
        ):
            print(f"== layer {layer}, batch {batch}, tokens {tokens}: {title}")
            show(code_of(function, *arguments))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
