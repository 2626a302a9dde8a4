"""Parts of the reference network as calls to measure: built once, with values, on a GPU or (small) on a CPU.

Inputs are random and the same every time; routers choose experts by their scores, as they do in the network.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from attrs import field, frozen
from torch import Tensor, nn

from dsocr_symbolic.errors import UserError, check_known
from dsocr_symbolic.measurement.network import ATTENTION, NetworkCache, quick_gelu_as, use_attention
from dsocr_symbolic.verification.reference.deepseek_v2 import MoEGate
from dsocr_symbolic.verification.reference.llama import KeyValueCache

COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "sam": ("batch", "image_size"),
    "clip": ("batch", "feature_grid"),
    "projector": ("batch", "feature_grid"),
    "prefill": ("batch", "sequence"),
    "decoder_layers": ("batch", "sequence"),
    "decode": ("batch", "past"),
    "head": ("tokens",),
}
"""Settings of every component: counts, and ``image_size`` in pixels, ``feature_grid`` in features a side."""
MODES = ("eager", "graph", "backward")
_WITH_ATTENTION = ("prefill", "decoder_layers", "decode")


@frozen(kw_only=True)
class TimedCase:
    """One call to measure.

    Attributes
    ----------
    component : str
        One of ``COMPONENTS``.
    mode : str
        ``eager``, ``graph`` (replayed from a CUDA graph) or ``backward`` (the backward pass alone, in training).
    settings : Mapping of str to int
        A value for each setting of the component.
    choices : Mapping of str to str
        ``attention``, ``flash`` or ``eager``, for what runs the decoder's layers; flash if absent.
    """

    component: str
    mode: str = "eager"
    settings: Mapping[str, int]
    choices: Mapping[str, str] = field(factory=dict)

    @property
    def label(self) -> str:
        """The case in one line."""
        given = [f"{name}={value}" for name, value in (*self.settings.items(), *self.choices.items())]
        return " ".join([self.component, self.mode, *given])


@frozen(kw_only=True)
class Prepared:
    """A case ready to be called.

    Attributes
    ----------
    call : Callable
        What is measured, without gradients; of a backward case the backward pass alone, on a kept graph.
    before : Callable
        To be called before every ``call``, outside of what is timed: it launches nothing on the device.
    whole : Callable
        The same call for peak memory and attribution; of a backward case a forward and its backward.
    modules : Mapping of str to nn.Module
        What runs, by name; what runs in none of its submodules runs in it.
    experts_hit : Callable
        Calls once more and returns the distinct experts that each MoE layer touched, none where it has no such layer.
    hot : tuple of Tensor
        Inputs that a cache holds when the network gets here, of a component whose weights would fit into one
        but are not there then; empty for other components.
    """

    call: Callable[[], object]
    before: Callable[[], None]
    whole: Callable[[], object]
    modules: Mapping[str, nn.Module]
    experts_hit: Callable[[], list[int]]
    hot: tuple[Tensor, ...] = ()


@frozen(kw_only=True)
class _Component:
    """A component: what runs, the module that it runs in, and its inputs."""

    module: nn.Module
    forward: Callable[[], Tensor]
    inputs: tuple[Tensor, ...] = ()
    reset: Callable[[], None] = lambda: None
    hot: tuple[Tensor, ...] = ()


def check_case(case: TimedCase) -> None:
    """Refuse a case that names what does not exist, or lacks a setting."""
    check_known([case.component], COMPONENTS, "measured case", "component")
    where = f"measured case '{case.label}'"
    check_known([case.mode], MODES, where, "mode")
    needed = COMPONENTS[case.component]
    check_known(case.settings, needed, where, "setting")
    if missing := [name for name in needed if name not in case.settings]:
        raise UserError(f"{where}: no value for {', '.join(missing)}: give {', '.join(needed)}")
    if wrong := [name for name in needed if case.settings[name] < 1]:
        raise UserError(f"{where}: {wrong[0]} must be at least 1: raise it")
    check_known(case.choices, ["attention"] if case.component in _WITH_ATTENTION else [], where, "choice")
    check_known(case.choices.values(), ATTENTION, where, "attention")
    if case.component == "decode" and case.mode == "backward":
        raise UserError(f"{where}: a decoding step has no backward pass: measure prefill")


def _part(case: TimedCase, cache: NetworkCache) -> _Component:
    """Build a component's inputs and its call."""
    network, s = cache.network(), case.settings
    model, device, decoder = network.model, cache.device, cache.config.decoder
    generator = torch.Generator(device).manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.bfloat16, device=device, generator=generator)

    def ids(batch: int, tokens: int) -> Tensor:
        return torch.randint(decoder.vocab_size, (batch, tokens), device=device, generator=generator)

    match case.component:
        case "sam":
            pixels = normal(s["batch"], cache.config.sam.in_channels, s["image_size"], s["image_size"])
            return _Component(module=model.sam_model, forward=lambda: model.sam_model(pixels))
        case "clip":
            features = normal(s["batch"], cache.config.clip.hidden_size, s["feature_grid"], s["feature_grid"])
            return _Component(
                module=model.vision_model, forward=lambda: model.vision_model(features), inputs=(features,)
            )
        case "projector":
            side = s["feature_grid"]
            tokens = normal(s["batch"], side * side + 1, cache.config.clip.hidden_size)
            sam = normal(s["batch"], cache.config.sam.out_channels, side, side)
            both = (tokens, sam)

            def project() -> Tensor:
                patches = tokens.narrow(1, 1, tokens.shape[1] - 1)
                out: Tensor = model.projector(torch.cat((patches, sam.flatten(2).permute(0, 2, 1)), dim=-1))
                return out

            return _Component(module=model, forward=project, inputs=both, hot=both)
        case "prefill":
            prompt = ids(s["batch"], s["sequence"])
            training = case.mode == "backward"
            # Nothing decodes after a training step.
            return _Component(module=model, forward=lambda: model(prompt, cache=None if training else KeyValueCache()))
        case "decoder_layers":
            embeds = normal(s["batch"], s["sequence"], decoder.hidden_size)
            return _Component(module=model, forward=lambda: model(inputs_embeds=embeds), inputs=(embeds,))
        case "decode":
            token, kept = ids(s["batch"], 1), KeyValueCache()
            shape = (s["batch"], decoder.num_attention_heads, s["past"], decoder.head_dim)
            keys = [normal(*shape) for _ in model.layers]
            values = [normal(*shape) for _ in model.layers]

            def reset() -> None:
                kept.keys, kept.values = list(keys), list(values)

            return _Component(module=model, forward=lambda: model(token, cache=kept), reset=reset)
        case _:
            hidden = normal(1, s["tokens"], decoder.hidden_size)
            return _Component(module=network, forward=lambda: network.logits(hidden), inputs=(hidden,))


def make(case: TimedCase, network_cache: NetworkCache) -> Prepared:
    """Prepare a case; raise UserError where it names what does not exist.

    Memory of inputs, and of a backward case the forward's graph, lives as long as what is returned.
    """
    check_case(case)
    part, model = _part(case, network_cache), network_cache.network().model
    training, attention = case.mode == "backward", case.choices.get("attention", "flash")
    script = network_cache.quick_gelu(case.label) if case.component == "clip" else None

    def scripted() -> AbstractContextManager[None]:
        return quick_gelu_as(script) if script is not None else nullcontext()

    def before() -> None:
        # The network is shared: another case may have left it in its own mode.
        if part.module.training != training:
            part.module.train(training)
        if model.attention != attention:
            use_attention(network_cache.network(), attention)
        part.reset()

    def forward() -> Tensor:
        with torch.set_grad_enabled(training), scripted():
            return part.forward()

    rest: dict[str, Any] = {
        "modules": {case.component: part.module},
        "experts_hit": lambda: _experts_hit(part.module, before, forward),
        "hot": () if training else part.hot,
    }
    if not training:
        return Prepared(call=forward, before=before, whole=forward, **rest)
    for tensor in part.inputs:
        tensor.requires_grad_()
    before()
    # TorchScript compiles at the second call, so the graph of the third is the one that training would see.
    for _ in range(2 if script is not None else 0):
        forward()
    kept = forward()
    gradient = torch.ones_like(kept)
    leaves = (*part.module.parameters(), *part.inputs)

    def fresh() -> None:
        before()
        for leaf in leaves:
            leaf.grad = None

    def backward() -> None:
        torch.autograd.backward(kept, gradient, retain_graph=True)

    return Prepared(call=backward, before=fresh, whole=lambda: torch.autograd.backward(forward(), gradient), **rest)


def _experts_hit(module: nn.Module, before: Callable[[], None], forward: Callable[[], Tensor]) -> list[int]:
    hits: list[int] = []

    def note(_: nn.Module, __: Any, out: Any) -> None:
        hits.append(int(out[0].unique().numel()))

    hooks = [each.register_forward_hook(note) for each in module.modules() if isinstance(each, MoEGate)]
    try:
        before()
        forward()
    finally:
        for hook in hooks:
            hook.remove()
    return hits
