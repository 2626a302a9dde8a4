"""Symbolic performance model of DeepSeek-OCR: exact FLOPs, bytes and memory as formulas."""

__version__ = "0.1.0"
