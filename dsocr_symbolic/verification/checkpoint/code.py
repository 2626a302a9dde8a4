"""Load the checkpoint's modules from the bytes that were read, with stand-ins for what only inference needs."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from dsocr_symbolic.verification.checkpoint.snapshot import ENTRY, Snapshot

_PACKAGE = "dsocr_checkpoint"
_INFERENCE_ONLY = ("torchvision", "matplotlib")


class _StandIn(ModuleType):
    """A module whose every name exists and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _Finder(MetaPathFinder, Loader):
    """Serves the snapshot's modules as one package, and stand-ins for libraries that are not installed."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._absent = tuple(name for name in _INFERENCE_ONLY if find_spec(name) is None)

    def owns(self, name: str) -> bool:
        return name.split(".", maxsplit=1)[0] in (_PACKAGE, *self._absent)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if not self.owns(fullname):
            return None
        package, _, module = fullname.partition(".")
        if package == _PACKAGE and module and module not in self._snapshot.sources:
            return None
        return ModuleSpec(fullname, self, is_package=package != _PACKAGE or not module)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ModuleType(spec.name) if spec.name.startswith(_PACKAGE) else _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__.removeprefix(_PACKAGE).removeprefix(".")
        if module.__name__ == _PACKAGE or isinstance(module, _StandIn):
            return
        file = str(self._snapshot.folder / f"{name}.py")
        # TorchScript reads a function's source from its file.
        module.__file__ = file
        exec(compile(self._snapshot.sources[name], file, "exec"), module.__dict__)  # noqa: S102 - asked for


@contextmanager
def _served(finder: _Finder) -> Iterator[None]:
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if finder.owns(name)]:
            del sys.modules[name]


def load(snapshot: Snapshot) -> tuple[ModuleType, ModuleType]:
    """Execute the snapshot's code: the network's module, and the one with its decoder."""
    # The library asks what is installed when it is imported: it must not see the stand-ins.
    import_module("transformers.models.llama.modeling_llama")
    with _served(_Finder(snapshot)):
        network = import_module(f"{_PACKAGE}.{ENTRY}")
        decoder = sys.modules[network.DeepseekV2Model.__module__]
    return network, decoder
