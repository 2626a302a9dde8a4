"""Forty questions at the ends of what a report can be asked, the worst first, and sweeps that are hard to draw."""

from collections.abc import Mapping
from typing import Any

from dsocr_symbolic.scenario.hardware import load_gpus

_FP8 = {"activation-dtype": "fp8", "weight-dtype": "fp8", "kv-dtype": "fp8"}
_WIDE = {"activation-dtype": "fp32", "weight-dtype": "fp32", "kv-dtype": "fp32"}
_SLOW = {"attention": "eager", "precision": "autocast", "logits": "last", "experts": "grouped"}
_TEXT = {"image_tokens": 0, "text_tokens": 700}
_ONE_LAYER = {
    "num_hidden_layers": 1,
    "first_k_dense_replace": 1,
    "clip_layers": 1,
    "sam_windowed_blocks": 0,
    "sam_global_blocks": 1,
}
_SMALL = {
    "num_hidden_layers": 1,
    "first_k_dense_replace": 1,
    "clip_layers": 0,
    "sam_windowed_blocks": 0,
    "sam_global_blocks": 0,
}

SCENARIOS: Mapping[str, Mapping[str, Any]] = {
    "much on an l4": {"workload": "large", "gpu": "l4", "settings": {"batch": 64}},
    "long answers on a b200": {"gpu": "b200", "settings": {"batch": 512, "new_tokens": 8192}, "choices": _FP8},
    "text alone": {"settings": {**_TEXT, "batch": 3}},
    "one layer": {"gpu": "a10g", "settings": _ONE_LAYER},
    "no answer": {"gpu": "h100-pcie", "settings": {"new_tokens": 0}, "choices": {**_SLOW, "weight-dtype": "fp8"}},
    "what it is": {},
    "gundam of 64 on an l4": {"gpu": "l4", "settings": {"batch": 64}},
    "published": {"workload": "dsocr-standard-v1"},
    "little on much": {"workload": "tiny", "gpu": "b200", "settings": {"batch": 64, "new_tokens": 32}},
    "one token": {"workload": "tiny", "settings": {"new_tokens": 1}},
    "tiny without answer": {
        "workload": "tiny",
        "gpu": "t4",
        "settings": {"new_tokens": 0},
        "choices": {"activation-dtype": "fp16"},
    },
    "nine crops": {"settings": {"crop_columns": 3, "crop_rows": 3, "batch": 7}},
    "a strip of crops": {"settings": {"crop_columns": 9, "crop_rows": 1, "new_tokens": 7373}, "gpu": "gb10"},
    "forty crops": {"settings": {"max_crops": 40, "crop_columns": 8, "crop_rows": 5}},
    "two crops at most": {"settings": {"max_crops": 2, "crop_columns": 2, "crop_rows": 1}},
    "served": {"workload": "gundam-served", "gpu": "a10g", "settings": {"batch": 33}},
    "fp32 on an old card": {"gpu": "rtx3060", "choices": _WIDE},
    "fp32 and much": {"gpu": "rtx3060", "choices": _WIDE, "settings": {"batch": 1000, "new_tokens": 7000}},
    "int4": {"gpu": "rtx4090", "choices": {"weight-dtype": "int4", "kv-dtype": "fp8"}, "settings": {"batch": 2}},
    "q4_0": {"gpu": "rtx5070ti", "choices": {"weight-dtype": "q4_0"}, "settings": {"new_tokens": 4096}},
    "eager": {"gpu": "rtx3090", "choices": {"attention": "eager"}, "settings": {"batch": 16, "new_tokens": 4000}},
    "slow ways": {"gpu": "mi300x", "choices": _SLOW, "settings": {"batch": 100}},
    "training": {"gpu": "h200", "choices": {"train": "all"}, "settings": {"batch": 16}},
    "ten thousand pages": {"gpu": "b300", "settings": {"batch": 10_000}},
    "a million pages": {"gpu": "mi355x", "settings": {"batch": 10**6, "new_tokens": 1}},
    "the longest prompt": {"settings": {"text_tokens": 7000, "new_tokens": 100}, "gpu": "a100-40gb"},
    "beyond all positions": {"settings": {"text_tokens": 100_000, "new_tokens": 30_000}, "gpu": "gb200"},
    "a short text": {"settings": {"image_tokens": 0, "text_tokens": 1, "new_tokens": 1}},
    "much text": {"settings": {**_TEXT, "batch": 512, "new_tokens": 2000}, "gpu": "h20"},
    "no prompt": {"settings": {"image_tokens": 0, "prompt_tokens": 0, "new_tokens": 64}},
    "a huge view": {"settings": {"base_size": 4096, "crop_columns": 0, "crop_rows": 0}, "gpu": "rtxpro6000"},
    "the least view": {"settings": {"base_size": 64, "crop_columns": 0, "crop_rows": 0}, "gpu": "rtx4080"},
    "the least network": {"settings": {**_SMALL, "new_tokens": 3}, "gpu": "l40s"},
    "one layer, much": {"settings": {**_ONE_LAYER, "batch": 4096}, "gpu": "h100-sxm"},
    "a thousand layers": {"settings": {"num_hidden_layers": 1000}, "gpu": "b300"},
    "slow memory": {"settings": {"memory_bandwidth": 10**9}},
    "fast memory": {"settings": {"memory_bandwidth": 10**15}},
    "slow cores": {"settings": {"tensor_core_peak": 10**9, "cuda_core_peak": 10**7}},
    "cuda cores faster": {"settings": {"tensor_core_peak": 10**13, "cuda_core_peak": 10**14}, "gpu": "t4"},
    "no room": {"settings": {"usable_memory": 4 * 1024**3, "batch": 5}},
}

MACHINES = [gpu.name for gpu in load_gpus() if gpu.name != "t4"]
LONG = "a-name-that-is-much-longer-than-anybody-would-give-it-but-somebody-does"
_RATIO = {"metrics": "forward_arithmetic_intensity"}
_TWO = {"gpu": ["l4", "b200"]}
SWEEPS: Mapping[str, Mapping[str, Any]] = {
    "a map of warnings": {
        **_RATIO,
        "by": "decode",
        "batch": "1:40",
        "new_tokens": "0:9000:450",
    },
    "uneven": {"metrics": "ttft_s", "batch": [1, 2, 3, 4, 1000, 1001, 1002]},
    "line": {"metrics": "roofline_s", "batch": "1:128"},
    "two points": {"metrics": "peak_memory_bytes", "batch": [1, 1000]},
    "stages": {"metrics": "forward_io_bytes", "by": "stage", "batch": [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]},
    "grows by factors": {"metrics": "ttft_s", "batch": [1, 10, 100, 1000, 10_000, 100_000, 1_000_000]},
    "no value": {**_RATIO, "by": "decode", "new_tokens": [0, 1, 2, 4, 8]},
    "no value at all": {
        **_RATIO,
        "by": "decode",
        "batch": [1, 2, 3],
        "new_tokens": [0],
    },
    "no value in some stages": {
        "metrics": "forward_arithmetic_intensity",
        "by": "stage",
        "workload": ["tiny", "gundam"],
        "new_tokens": [0],
    },
    "warned of": {"metrics": "tpot_s", "new_tokens": [1000, 4000, 7000, 8000, 12_000], "batch": [1, 64]},
    "one point": {"metrics": "roofline_s", "batch": [8]},
    "one point by stage": {"metrics": "peak_memory_bytes", "by": "stage", "batch": [64]},
    "several metrics": {
        "metrics": ["roofline_s", "peak_memory_bytes", "ttft_s"],
        "batch": [1, 8, 64],
        "gpu": ["l4", "b200"],
    },
    "three axes": {"metrics": "roofline_s", "batch": [1, 8, 64], "new_tokens": [0, 512], "by": "stage"},
    "four axes": {
        "metrics": "roofline_s",
        "batch": [1, 8, 64],
        "new_tokens": [1, 9000],
        "logits": ["all", "last"],
        "by": "stage",
    },
    "maps": {"metrics": ["roofline_s", "peak_memory_bytes"], "batch": "1:64", "new_tokens": "0:9000:500"},
    "nothing but nought": {
        "metrics": "forward_io_bytes",
        "by": "decode",
        "batch": [1, 2],
        "settings": {"new_tokens": 0},
    },
    "machines": {"metrics": "roofline_s", "gpu": MACHINES},
    "machines by stage": {"metrics": "roofline_s", "gpu": MACHINES, "by": "stage"},
    "two machines": {"metrics": "roofline_s", "gpu": ["l4", "b200"], "batch": [1, 8, 64]},
    "crop grids": {"metrics": "forward_tensor_core_flops", "crop_grid": "all"},
    "crop grids by stage": {"metrics": "peak_memory_bytes", "crop_grid": "all", "by": "stage"},
    "a map": {"metrics": "peak_memory_bytes", "batch": "1:60", "crop_grid": "all"},
    "a wide map": {"metrics": "roofline_s", "batch": "1:400", "new_tokens": "0:7000:100"},
    "machines and batches": {"metrics": "peak_memory_bytes", "gpu": MACHINES, "batch": "1:128"},
    "a map without values": {
        **_RATIO,
        "by": "decode",
        "batch": "1:20",
        "new_tokens": "0:20",
    },
    "choices": {
        "metrics": "roofline_s",
        "weight_dtype": ["bf16", "fp16", "fp32", "fp8", "int8", "int4", "q8_0", "q4_0"],
        "activation_dtype": ["bf16", "fp8"],
    },
    "long paths": {
        "metrics": "forward_io_bytes",
        "by": [
            "prefill/layers.1-11/mlp/experts",
            "vision/global/vision_model",
            "decode/layers.1-11/self_attn",
            "vision/global/sam_model",
        ],
        "batch": [1, 2, 3],
    },
    "fractions": {"metrics": "roofline_s", "memory_bandwidth": "1e11:9.5e12:3.33e11"},
    "large numbers": {"metrics": "roofline_s", "memory_bandwidth": [1.23456789e11, 2.3456789123e12, 9.87654321e12]},
    "many settings": {
        "metrics": "roofline_s",
        "batch": [1, 2, 3, 4],
        "settings": {
            "n_routed_experts": 128,
            "compute_efficiency": 0.512345,
            "bandwidth_efficiency": 0.7123,
            "text_tokens": 1234,
            "new_tokens": 4321,
            "num_hidden_layers": 24,
            "reserve": 123456789,
            "vocab_size": 123456,
        },
    },
    "more than fits": {"metrics": "roofline_s", "batch": [1, 8, 64, 512], "gpu": ["l4", "rtx5090", "b200"]},
}
