"""What the host takes to launch an operator of ordinary module code.

In eager mode a call with small tensors takes as long as Python and PyTorch take to launch its operators. How long that
is depends on the code around them, so it is measured on transformers' own layers, and on compiled code, all of sizes
unlike any published model.
"""

import inspect
import statistics
import time
from collections.abc import Callable, Mapping

import torch
from attrs import field, frozen
from torch import Tensor

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.measurement.kernels import Timed, busy, on_gpu, require_gpu
from dsocr_symbolic.measurement.served.compiled import can_compile
from dsocr_symbolic.measurement.served.stacks import LAUNCHED, compiled_calls
from dsocr_symbolic.verification.reference.trace import OperatorTrace

CALLS = 5
"""Per round, of which the median counts."""
WARM_UPS = 2
LAYERS, PAST = 6, 64
DECODER = {"hidden_size": 768, "intermediate_size": 2048, "num_attention_heads": 12, "num_key_value_heads": 12}
VISION = {"hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 6}
VISION_TOKENS = 197
PAUSE_SECONDS = 3.0
"""Between rounds: a shared host is slow for seconds on end."""


@frozen(kw_only=True)
class HostCost:
    """What the host takes for one kind of module code.

    Attributes
    ----------
    name : str
        ``decoder`` (one decode step, eager attention), ``decoder_sdpa``, ``vision`` (encoder layers), or what is
        compiled: ``chain``, ``short_chain``, ``attending``, ``sorting``, ``long_sorting``, ``served_dense`` and
        ``served_routed``.
    launches : int
        Operators of a call that launch something: neither views nor allocations. Of compiled code what its formulas
        count.
    device_s : float
        Seconds that the GPU is busy with a call; 0 in a dry run.
    wall_s : tuple of float
        Seconds from a call to the end of its last kernel, the median of each round.
    per_launch_s : float
        Of the quietest round, per launch.
    spread : float
        By which share the slowest round took longer than the quietest one.
    work : mapping of str to int
        Of compiled code how often a call does what :data:`~dsocr_symbolic.measurement.served.stacks.KINDS` names.
    """

    name: str
    launches: int
    device_s: float
    wall_s: tuple[float, ...]
    per_launch_s: float
    spread: float
    work: Mapping[str, int] = field(factory=dict)


@frozen(kw_only=True)
class Stack:
    """Layers to call again and again.

    Attributes
    ----------
    name : str
        As in :class:`HostCost`.
    call : callable
        The same work every time, if `reset` is called after it.
    reset : callable
        Takes back what a call has left behind; launches nothing.
    work : mapping of str to int
        As in :class:`HostCost`; empty where operators are counted.
    """

    name: str
    call: Callable[[], object]
    reset: Callable[[], None]
    work: Mapping[str, int] = field(factory=dict)


def decoder(name: str, attention: str, device: str) -> Stack:
    """Build one decode step of a Llama with a cache.

    Parameters
    ----------
    name : str
        What it is called.
    attention : str
        ``eager`` or ``sdpa``.
    device : str
        Where it runs.

    Returns
    -------
    Stack
        In bf16, of random weights.
    """
    _require_transformers()
    from transformers import AutoModel, DynamicCache, LlamaConfig, LlamaModel

    config = LlamaConfig(**DECODER, num_hidden_layers=LAYERS, vocab_size=64, attn_implementation=attention)
    model = AutoModel.from_config(config, dtype=torch.bfloat16).to(device).eval()
    # Its name depends on the release.
    known = inspect.signature(LlamaModel.forward).parameters
    keyword = "cache" if "cache" in known else "past_key_values"
    cache = DynamicCache()

    def run(tokens: Tensor) -> Tensor:
        states: Tensor = model(inputs_embeds=tokens, use_cache=True, **{keyword: cache}).last_hidden_state
        return states

    with torch.no_grad():
        run(normal(device, 1, PAST, DECODER["hidden_size"]))
    step = normal(device, 1, 1, DECODER["hidden_size"])
    return Stack(name=name, call=lambda: run(step), reset=lambda: cache.crop(-1))


def vision(name: str, device: str) -> Stack:
    """Build the layers of a vision transformer: biased linear layers, LayerNorm, sdpa and gelu, in bf16."""
    _require_transformers()
    from transformers import AutoModel, ViTConfig

    config = ViTConfig(**VISION, num_hidden_layers=LAYERS, hidden_act="gelu", attn_implementation="sdpa")
    layers = AutoModel.from_config(config, dtype=torch.bfloat16).to(device).eval().layers
    x = normal(device, 1, VISION_TOKENS, VISION["hidden_size"])

    def run() -> Tensor:
        states = x
        for layer in layers:
            states = layer(states)
        return states

    return Stack(name=name, call=run, reset=lambda: None)


def _require_transformers() -> None:
    try:
        import transformers  # noqa: F401 - whether it is there
    except ImportError as error:
        why = str(error).partition("\n")[0]
        raise UserError(
            f"transformers cannot be imported ({why}), and the host's cost is measured on its layers:"
            ' pip install "dsocr_symbolic[verify]"'
        ) from error


def normal(device: str, *shape: int) -> Tensor:
    """Draw a tensor in bf16."""
    return torch.randn(*shape, dtype=torch.bfloat16, device=device)


def launches_of(stack: Stack) -> int:
    """Count the operators of a call that launch something; what is compiled says so itself."""
    if stack.work:
        return sum(stack.work[kind] for kind in LAUNCHED)
    # Not in inference mode: there a composite operator is dispatched whole.
    with torch.no_grad(), OperatorTrace() as trace:
        stack.call()
    stack.reset()
    return trace.total.launches


class HostRounds:
    """Rounds of the host's cost, taken whenever there is time for one: a shared host is slow for seconds on end.

    Parameters
    ----------
    dry : bool
        Call everything on a CPU: the walls are a CPU's then, and the GPU's seconds are 0.
    """

    def __init__(self, *, dry: bool = False) -> None:
        require_gpu(dry=dry)
        device = "cpu" if dry else "cuda"
        self.m_dry = dry
        self.m_stacks = [
            decoder("decoder", "eager", device),
            decoder("decoder_sdpa", "sdpa", device),
            vision("vision", device),
        ]
        if dry or can_compile():
            for name, (call, work) in compiled_calls(device, compiles=not dry).items():
                self.m_stacks.append(Stack(name=name, call=call, reset=lambda: None, work=work))
        self.m_launches = [launches_of(stack) for stack in self.m_stacks]
        self.m_walls: list[list[float]] = []

    def take(self, rounds: int = 1) -> None:
        """Take some rounds, each of every kind of code."""
        calls, warm_ups = (1, 0) if self.m_dry else (CALLS, WARM_UPS)
        for _ in range(rounds):
            time.sleep(0 if self.m_dry else PAUSE_SECONDS)
            self.m_walls.append([wall_seconds(stack, calls, warm_ups) for stack in self.m_stacks])

    def costs(self) -> list[HostCost]:
        """Return what the rounds gave, by kind of code."""
        if not self.m_walls:
            raise UserError("rounds is 0: measure 1 round or more")
        devices = busy([Timed(call=_whole(stack)) for stack in self.m_stacks], dry=self.m_dry)
        found = []
        for place, stack in enumerate(self.m_stacks):
            walls = tuple(each[place] for each in self.m_walls)
            launches = self.m_launches[place]
            found.append(
                HostCost(
                    name=stack.name,
                    launches=launches,
                    device_s=devices[place].seconds,
                    wall_s=walls,
                    per_launch_s=min(walls) / launches,
                    spread=max(walls) / min(walls) - 1,
                    work=stack.work,
                )
            )
        return found


def _whole(stack: Stack) -> Callable[[], object]:
    def run() -> object:
        out = stack.call()
        stack.reset()
        return out

    return run


def wall_seconds(stack: Stack, calls: int, warm_ups: int) -> float:
    """Time calls in inference mode by the clock, each between two synchronisations; the median of them in seconds."""
    found = []
    wait: Callable[[], None] = torch.cuda.synchronize if on_gpu() else lambda: None
    with torch.inference_mode():
        for count in range(warm_ups + calls):
            wait()
            began = time.perf_counter()
            out = stack.call()
            wait()
            if count >= warm_ups:
                found.append(time.perf_counter() - began)
            del out
            stack.reset()
    return statistics.median(found)
