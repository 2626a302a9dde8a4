"""A network in Python: its parts as sympy expressions, variations of it, and fast functions of its numbers.

>>> from dsocr_symbolic import load_model
>>> model = load_model("deepseek-ocr")

A part answers every metric of the registry (``dsocr symbols --metrics``) as a sympy expression, every symbol free:

>>> model["prefill/layers.1-11/mlp/gate"].forward_tensor_core_flops
2*batch*hidden_size*n_routed_experts*prompt_tokens*(-first_k_dense_replace + num_hidden_layers)
>>> [part.path for part in model["projector"].children][:2]
['projector/crops', 'projector/global']

``what_if`` puts numbers or formulas in and leaves all other symbols free; the model itself never changes:

>>> model.what_if(n_routed_experts=128)["prefill/layers.1-11/mlp/gate"].forward_tensor_core_flops
256*batch*hidden_size*prompt_tokens*(-first_k_dense_replace + num_hidden_layers)

``compile`` makes a function of some symbols; the rest has the values of a workload on a GPU. Python ints give exact
ints, arrays give float64 arrays:

>>> flops = model.compile("forward_tensor_core_flops", over=["batch", "new_tokens"], workload="gundam")
>>> flops(batch=1, new_tokens=512)["forward_tensor_core_flops"]["total"]
5180131547648
>>> import numpy as np
>>> flops(batch=np.array([1, 64]), new_tokens=0)["forward_tensor_core_flops"]["decode"]
array([0., 0.])
"""

from pathlib import Path

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.evaluation.networks import load_network
from dsocr_symbolic.scenario.config_files import find_config
from dsocr_symbolic.scenario.configs import Config, read_config
from dsocr_symbolic.scenario.values import choose


def load_model(name: str | None = None, *, config: str | Path | None = None, **choices: str) -> Model:
    """Load a network.

    Parameters
    ----------
    name : str, optional
        A name (``dsocr models``) or the path of a model file; left out, the network of the config, or DeepSeek-OCR.
    config : str or Path, optional
        A Hugging Face config.json with the network's sizes, or the id of a checkpoint in the local cache of the hub.
    **choices : str
        Options that differ from the defaults, a choice's name with underscores: ``attention="eager"``,
        ``weight_dtype="fp8"``.

    Returns
    -------
    Model
        The network, every symbol free.

    Raises
    ------
    UserError
        If there is no such network, choice or option, or a file is wrong.
    """
    path = find_config(config) if config is not None else None
    definition = load_network(name, config=path)
    known = {each.replace("-", "_"): each for each in definition.choices}
    for each in choices:
        if each not in known:
            raise UserError(f"unknown choice '{each}': {nearest(each, known)}")
    read = read_config(definition, path) if path is not None else Config(sizes={}, options={})
    said = {**read.options, **{known[each]: option for each, option in choices.items()}}
    return Model(
        definition=definition,
        options=tuple(sorted(choose(definition, said).items())),
        config=tuple(sorted(read.sizes.items())),
        overrides=(),
        said=tuple(sorted(said.items())),
    )
