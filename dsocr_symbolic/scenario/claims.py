"""What is claimed of a machine: a bound or a forecast only where its file gives every number that it rests on."""

from collections.abc import Mapping

from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.language.time_formula import is_bound, is_forecast, load_bound, measured_symbols
from dsocr_symbolic.records import frozen
from dsocr_symbolic.scenario.origins import Origin, lacking, lacks

CALIBRATE = "run dsocr calibrate --documents on the machine that reads pages, and give its file with --machine"
HOST_REASON = f"of documents whose pages are read, where constants of the host are known: {CALIBRATE}"


@frozen(kw_only=True)
class Claims:
    """Numbers that a GPU lacks.

    Attributes
    ----------
    bound, device, wall : tuple of str
        Those without which no lower bound is claimed, no forecast of kernels, and none of what the host needs besides.
    """

    bound: tuple[str, ...] = ()
    device: tuple[str, ...] = ()
    wall: tuple[str, ...] = ()

    def lacking(self, metric: str) -> tuple[str, ...]:
        """Return the numbers without which a metric is not claimed; most metrics need none."""
        if is_bound(metric):
            return self.bound
        if not is_forecast(metric):
            return ()
        known = load_metrics()[metric]
        waits = "wall" in (known.kind, load_metrics()[known.of].kind if known.of else "")
        return (*self.device, *(self.wall if waits else ()))

    def refusal(self, metric: str, gpu: str) -> str:
        """Say why a metric is not claimed on a GPU; nothing where it is."""
        keys = self.lacking(metric)
        if not keys:
            return ""
        if is_bound(metric):
            return f"no lower bound is claimed on {gpu}: its file gives no {', '.join(keys)}; add it and its source"
        return (
            f"no forecast is made for {gpu}: {keys[0]} is neither measured nor can it be derived; "
            f"run dsocr calibrate on it and give its file with --machine"
        )


def claims_of(sources: Mapping[str, Origin]) -> Claims:
    """Say what is claimed, given where every symbol is from."""
    device, wall = (
        tuple(dict.fromkeys(key for name in sorted(used & sources.keys()) for key in lacks(sources[name], sources)))
        for used in measured_symbols()
    )
    return Claims(bound=lacking(load_bound().seconds, sources), device=device, wall=wall)
