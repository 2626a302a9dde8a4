"""The network in PyTorch, with the checkpoint's names: what the formulas are verified against.

It serves counting, static analysis and measurement. Only this package imports torch.
"""

from dsocr_symbolic.reference.build import build
from dsocr_symbolic.reference.config import ClipConfig, DecoderConfig, OcrConfig, SamConfig
from dsocr_symbolic.reference.deepseek_ocr import DeepseekOCRForCausalLM, Views
from dsocr_symbolic.reference.deepseek_v2 import DeepseekV2MoE, Routing, balanced_rows, rows_over
from dsocr_symbolic.reference.llama import KeyValueCache
from dsocr_symbolic.reference.precision import cuda_autocast, fake_cuda
from dsocr_symbolic.reference.trace import OperatorTrace, Traffic

__all__ = [
    "ClipConfig",
    "DecoderConfig",
    "DeepseekOCRForCausalLM",
    "DeepseekV2MoE",
    "KeyValueCache",
    "OcrConfig",
    "OperatorTrace",
    "Routing",
    "SamConfig",
    "Traffic",
    "Views",
    "balanced_rows",
    "build",
    "cuda_autocast",
    "fake_cuda",
    "rows_over",
]
