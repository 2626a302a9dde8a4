"""Count the peak: the most bytes of tensors that are alive during a call of the reference.

Inputs count throughout, outputs too; parameters, buffers and the KV cache do not.
"""

from collections.abc import Iterator

from torch import Tensor

from dsocr_symbolic.verification.calls.bench import Bench
from dsocr_symbolic.verification.calls.cases import Case
from dsocr_symbolic.verification.calls.counted import Counted
from dsocr_symbolic.verification.calls.published import (
    FEW_CLIP,
    FEW_SAM,
    PUBLISHED_CLIP,
    PUBLISHED_SAM,
    published_layers,
)
from dsocr_symbolic.verification.calls.whole import WHOLE, page_settings
from dsocr_symbolic.verification.reference.memory import Peak, allocation_peak
from dsocr_symbolic.verification.training.training import SOURCE, subject_of


class InputBench(Bench):
    """Makes tensors in bf16 on the meta device, and remembers them: they are a call's inputs."""

    def __init__(self) -> None:
        super().__init__("plain")
        self.m_inputs: list[Tensor] = []

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Every tensor made so far."""
        return tuple(self.m_inputs)

    def empty(self, *shape: int, size: int = 2) -> Tensor:
        """Make a tensor."""
        made = super().empty(*shape, size=size)
        self.m_inputs.append(made)
        return made

    def constant(self, *shape: int) -> Tensor:
        """Make a tensor."""
        return self.empty(*shape)


def case_peak(case: Case) -> Peak:
    """Call a case once and find its peak.

    Parameters
    ----------
    case : Case
        The formula file, its variant, settings and choices.

    Returns
    -------
    Peak
        Bytes, and the operator at which they are reached.
    """
    bench = InputBench()
    with bench.context():
        subject = subject_of(bench, case)
        cache = subject.cache

        def cached() -> list[Tensor]:
            return [] if cache is None else [*cache.keys, *cache.values]

        past = {id(each) for each in cached()}
        inputs = [each for each in bench.inputs if id(each) not in past]
        return allocation_peak(subject.call, inputs, cached)


def count_peak(case: Case) -> Counted:
    """Count a case's peak.

    Parameters
    ----------
    case : Case
        The formula file, its variant, settings and choices.

    Returns
    -------
    Counted
        One metric.
    """
    return Counted(
        source=SOURCE,
        layer=case.layer.partition(" ")[0] if case.layer != WHOLE else WHOLE,
        settings=dict(case.settings),
        choices={**case.choices, "precision": "plain"},
        metrics={"forward_activation_bytes": case_peak(case).peak_bytes},
    )


def peak_cases() -> Iterator[Case]:
    """Yield the calls whose peak is compared: the layers at published widths, the towers at every size, and pages."""
    yield from published_layers()
    for pixels in (512, 640, 1024, 1280):
        # Crops have 640 pixels and come in batches.
        for batch in range(1, 10) if pixels == 640 else (1, 2, 5, 9):  # noqa: PLR2004 - pixels of a crop
            # All blocks run once, and few of each kind at the other sizes.
            few_sam, few_clip = (FEW_SAM, FEW_CLIP) if batch > 1 else ({}, {})
            sam = {**PUBLISHED_SAM, **few_sam, "batch": batch, "image_size": pixels}
            clip = {**PUBLISHED_CLIP, **few_clip, "batch": batch, "feature_grid": pixels // 64}
            yield Case(layer="vision/image_encoder_vit", settings=sam)
            yield Case(layer="vision/vit_model", settings=clip)
    yield from _pages()


def _pages() -> Iterator[Case]:
    def case(settings: dict[str, int], attention: str, logits: str) -> Case:
        return Case(layer=WHOLE, settings=settings, choices={"attention": attention, "logits": logits})

    for columns, rows in ((0, 0), (1, 2), (2, 2), (3, 2), (2, 4), (3, 3)):
        yield case(page_settings(columns, rows), "flash", "last")
    for columns, rows in ((0, 0), (2, 2), (3, 3)):
        yield case(page_settings(columns, rows), "flash", "all")
        yield case(page_settings(columns, rows), "eager", "last")
    for pixels in (512, 640, 1280):
        yield case(page_settings(0, 0, base_size=pixels), "flash", "last")
    yield case({**page_settings(2, 1), "batch": 3}, "flash", "last")
