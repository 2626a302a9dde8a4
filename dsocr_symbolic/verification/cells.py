"""Every cell on which formulas are proven."""

from dsocr_symbolic.verification.cell import Cell
from dsocr_symbolic.verification.cells_decoder import DECODER_CELLS
from dsocr_symbolic.verification.cells_vision import VISION_CELLS

CELLS: tuple[Cell, ...] = (*VISION_CELLS, *DECODER_CELLS)
