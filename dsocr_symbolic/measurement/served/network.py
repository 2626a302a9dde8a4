"""The served decoder with the plain network's weights, and its vision towers, compiled: built once in a session."""

from typing import Any

import torch
from attrs import field, frozen
from torch import nn

from dsocr_symbolic.measurement.network import NetworkCache
from dsocr_symbolic.verification.served.compiling import SHAPES, compiled
from dsocr_symbolic.verification.served.decoder import Calls, ServedDecoder
from dsocr_symbolic.verification.served.weights import served_of


@frozen(kw_only=True)
class ServedCache:
    """What a session measures of a server.

    Attributes
    ----------
    plain : NetworkCache
        The plain network: its weights are copied, and its vision towers are compiled in place, block by block.
    compiles : bool
        Whether anything is compiled; a dry run is not.
    """

    plain: NetworkCache
    compiles: bool
    _decoder: list[tuple[ServedDecoder, Calls]] = field(factory=list, init=False)
    _towers: list[nn.Module] = field(factory=list, init=False)

    def decoder(self) -> tuple[ServedDecoder, Calls]:
        """Return the served decoder and what a step calls of it."""
        if not self._decoder:
            decoder = served_of(self.plain.network())
            self._decoder.append((decoder, compiled(decoder) if self.compiles else decoder.calls))
        return self._decoder[0]

    def towers(self) -> Any:
        """Return the plain network's model; the blocks of both towers, and SAM's neck, are compiled."""
        model = self.plain.network().model
        if not self._towers:
            self._towers.append(model)
            if self.compiles:
                # Block by block, for blocks of one kind share a graph; the towers' own code between them is not.
                torch._dynamo.config.recompile_limit = SHAPES  # noqa: SLF001 - its public door
                torch._dynamo.config.accumulated_recompile_limit = SHAPES  # noqa: SLF001
                blocks: list[Any] = [
                    *model.sam_model.blocks,
                    model.sam_model.neck,
                    *model.vision_model.transformer.layers,
                ]
                for block in blocks:
                    block.forward = torch.compile(block.forward, fullgraph=True, dynamic=False)
        return self._towers[0]
