"""The library's modules against the formulas, and what is said when the library is another one."""

import json
from collections.abc import Callable
from itertools import chain, islice

import pytest
from attrs import evolve

from dsocr_symbolic.cli import capture
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.paths import PACKAGE
from dsocr_symbolic.verification.calls import requirements
from dsocr_symbolic.verification.calls.comparison import compare

REPORTS = PACKAGE.parent / "reports"
LAYERS = {
    *("vision/image_encoder_vit", "vision/block", "vision/attention", "vision/patch_embed", "vision/mlp_block"),
    *("vision/layer_norm2d", "vision/vit_model", "vision/notp_transformer", "vision/notp_transformer_block"),
    *("vision/notp_attention", "vision/notp_feedforward", "llama/llama_attention", "llama/llama_flash_attention2"),
    *("decoder/deepseek_v2_rms_norm", "decoder/deepseek_v2_mlp", "decoder/moe_gate", "decoder/deepseek_v2_moe"),
    *("decoder/deepseek_v2_decoder_layer", "decoder/deepseek_v2_model", "core/language_model"),
}
Pretend = Callable[..., None]


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """Make the machine look as if it had these packages and no others."""

    def make(**packages: str) -> None:
        monkeypatch.setattr(requirements, "installed", packages.get)

    return make


def test_every_part_of_the_library_says_what_the_formulas_say() -> None:
    # That these results are what is counted now is tested where the whole verification runs.
    results = json.loads((REPORTS / "verification" / "transformers.json").read_text(encoding="utf-8"))
    assert results["layers"].keys() == LAYERS
    assert {row["differing"] for row in results["layers"].values()} == {0}


@pytest.mark.filterwarnings("ignore")
def test_a_count_that_is_one_off_is_seen() -> None:
    if (requirements.installed("transformers") or "").split(".")[0] != "5":
        pytest.skip("transformers 5.x is not installed: the library's modules are not compared here")
    requirements.require_transformers()
    from dsocr_symbolic.verification.oracles.decoder import decoder_counts
    from dsocr_symbolic.verification.oracles.vision import vision_counts

    for counted in chain(islice(vision_counts(), 2), islice(decoder_counts(), 8)):
        assert counted.source == f"transformers {requirements.installed('transformers')}"
        assert not compare(counted).differences
        for name, number in counted.metrics.items():
            wrong = evolve(counted, metrics={**counted.metrics, name: number + 1})
            assert [difference.name for difference in compare(wrong).differences] == [name]


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as error:
        call()
    message = str(error.value)
    assert "\n" not in message
    assert 'pip install "dsocr_symbolic[verify' in message
    return message


def test_nothing_installed_is_one_line(pretend: Pretend) -> None:
    pretend()
    assert refusal(requirements.require_transformers).startswith("torch is not installed")
    pretend(torch="2.13.0+cpu")
    assert refusal(requirements.require_transformers).startswith(
        "transformers is not installed; dsocr verify compares with 5.x"
    )
    message = refusal(requirements.require_transformers_for_checkpoint)
    assert message.startswith("transformers is not installed; the checkpoint's code needs 4.46.3")


def test_each_command_refuses_the_version_of_the_other(pretend: Pretend) -> None:
    pretend(torch="2.13.0", transformers="4.46.3")
    expected = 'transformers 4.46.3 is installed; dsocr verify compares with 5.x: pip install "dsocr_symbolic[verify]"'
    assert refusal(requirements.require_transformers) == expected
    pretend(torch="2.13.0", transformers="5.23.0")
    message = refusal(requirements.require_transformers_for_checkpoint)
    assert message.startswith("transformers 5.23.0 is installed; the checkpoint's code needs 4.46.3")
    assert message.endswith('in an environment of its own: pip install "dsocr_symbolic[verify-checkpoint]"')


def test_counting_asks_for_the_library_before_it_imports_it(pretend: Pretend) -> None:
    pytest.importorskip("torch", reason="counting needs torch: pip install dsocr_symbolic[verify]")
    from dsocr_symbolic.verification.running import oracle_counts

    pretend(torch="2.13.0")
    assert refusal(oracle_counts).startswith("transformers is not installed; dsocr verify compares with 5.x")


@pytest.mark.parametrize("found", ["2.12.1", "2.1", "2.130.0", "1.13.0"])
def test_another_torch_is_refused(pretend: Pretend, found: str) -> None:
    pretend(torch=found, transformers="5.23.0")
    assert refusal(requirements.require_transformers).startswith(f"torch {found} is installed; counting needs 2.13")


def test_the_right_versions_pass(pretend: Pretend) -> None:
    pretend(torch="2.13.0+cu130", transformers="5.23.0")
    requirements.require_transformers()
    pretend(torch="2.13.0", transformers="4.46.3", einops="0.8", easydict="1.13", addict="2.4")
    requirements.require_transformers_for_checkpoint()


def test_a_library_that_only_the_checkpoint_imports_is_named(pretend: Pretend) -> None:
    pretend(torch="2.13.0", transformers="4.46.3", einops="0.8", addict="2.4")
    assert refusal(requirements.require_transformers_for_checkpoint).startswith("easydict is not installed")


def test_the_command_without_torch_is_one_line(pretend: Pretend) -> None:
    pretend()
    assert refusal(lambda: capture(["verify"])).startswith("torch is not installed; counting needs 2.13")
