"""The served decoder computes what the plain network does, however its prompt is cut."""

import pytest

torch = pytest.importorskip("torch", reason="the served decoder needs torch")

from torch import Tensor  # noqa: E402

from dsocr_symbolic.verification.reference.build import build  # noqa: E402
from dsocr_symbolic.verification.reference.config import ClipConfig, DecoderConfig, OcrConfig, SamConfig  # noqa: E402
from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM  # noqa: E402
from dsocr_symbolic.verification.reference.deepseek_v2 import rows_over  # noqa: E402
from dsocr_symbolic.verification.reference.llama import KeyValueCache  # noqa: E402
from dsocr_symbolic.verification.reference.trace import OperatorTrace  # noqa: E402
from dsocr_symbolic.verification.served import experts  # noqa: E402
from dsocr_symbolic.verification.served.decoder import ServedDecoder, step_places  # noqa: E402
from dsocr_symbolic.verification.served.pages import new_pages  # noqa: E402
from dsocr_symbolic.verification.served.weights import build_served, served_of  # noqa: E402

CONFIG = OcrConfig(
    sam=SamConfig(hidden_size=8, num_layers=1, num_heads=2, mlp_size=8, global_layers=(0,), neck_channels=4),
    clip=ClipConfig(hidden_size=16, num_layers=1, num_heads=2, mlp_size=8),
    decoder=DecoderConfig(
        vocab_size=40,
        hidden_size=32,
        intermediate_size=24,
        moe_intermediate_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        n_routed_experts=8,
        num_experts_per_tok=3,
    ),
)
BATCH, TOKENS = 2, 11
# fp32, sums in another order.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def network() -> DeepseekOCRForCausalLM:
    torch.manual_seed(0)
    return build(CONFIG, device="cpu", dtype=torch.float32)


@pytest.fixture(scope="module")
def served(network: DeepseekOCRForCausalLM) -> ServedDecoder:
    return served_of(network, positions=32)


def _pages() -> list[Tensor]:
    return new_pages(CONFIG.decoder, requests=BATCH, tokens=20, page_tokens=4, device="cpu", dtype=torch.float32)


@pytest.fixture(scope="module")
def ids() -> Tensor:
    return torch.randint(CONFIG.decoder.vocab_size, (BATCH, TOKENS), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("cuts", [(TOKENS,), (4, 7), (5, 3, 3), (1, 10), (10, 1), (8, 1, 1, 1)])
@pytest.mark.parametrize("groups", [True, False])
def test_logits_are_those_of_the_plain_network(  # noqa: PLR0917
    network: DeepseekOCRForCausalLM,
    served: ServedDecoder,
    ids: Tensor,
    cuts: tuple[int, ...],
    groups: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not groups:
        monkeypatch.setattr(experts, "CPU_GROUPS", {})
    cache, pages, past = KeyValueCache(), _pages(), 0
    network(ids, cache=cache)
    expected = network(ids)[:, :]
    for tokens in cuts:
        found = served(ids[:, past : past + tokens], pages, past)
        past += tokens
        torch.testing.assert_close(found, expected[:, past - 1], **CLOSE)
    for kept, keys, values in zip(pages, cache.keys, cache.values, strict=True):
        runs = kept.view(BATCH, -1, *kept.shape[2:])[:, :TOKENS]
        torch.testing.assert_close(runs[:, :, 0].transpose(1, 2), keys, **CLOSE)
        torch.testing.assert_close(runs[:, :, 1].transpose(1, 2), values, **CLOSE)


def _traced(batch: int, tokens: int, past: int, hit: int) -> OperatorTrace:
    config = CONFIG.decoder
    decoder = build_served(config, routing=rows_over(hit), positions=64)
    pages = new_pages(config, requests=batch, tokens=past + tokens, page_tokens=4, device="meta", dtype=torch.bfloat16)
    ids = torch.empty(batch, tokens, dtype=torch.int64, device="meta")
    places = step_places(pages[0], ids, past)
    trace = OperatorTrace(decoder)
    with trace:
        decoder(ids, pages, past, places=places)
    return trace


@pytest.mark.parametrize(("batch", "tokens", "past"), [(1, 1, 9), (4, 1, 9), (2, 6, 0), (2, 6, 5)])
def test_counts_of_the_operators_that_no_other_network_has(batch: int, tokens: int, past: int) -> None:
    c, hit = CONFIG.decoder, 5 if batch * tokens > 1 else 3
    trace = _traced(batch, tokens, past, hit)
    sparse, rows, width = c.num_hidden_layers - 1, batch * tokens * c.num_experts_per_tok, c.hidden_size
    inner = c.moe_intermediate_size
    grouped = trace.by_operator["_grouped_mm"]
    assert grouped.launches == 2 * sparse
    # Every row meets three matrices, gate, up and down; only the experts with rows are read.
    assert grouped.tensor_core_flops == sparse * rows * 3 * 2 * width * inner
    moved = rows * (width + 2 * inner) + rows * (inner + width) + hit * 3 * width * inner
    assert grouped.io_bytes == sparse * (2 * moved + 2 * 4 * c.n_routed_experts)
    written = trace.by_operator["write_pages"]
    assert (written.launches, written.bytes_written) == (
        c.num_hidden_layers,
        c.num_hidden_layers * batch * tokens * 4 * width,
    )
    assert written.bytes_read == written.bytes_written + c.num_hidden_layers * batch * tokens * 8
    added = trace.by_operator["index_add_"]
    assert (added.bytes_written, added.cuda_core_flops) == (sparse * rows * width * 4, sparse * rows * width)
    assert [trace.under(f"layers.{layer}").launches for layer in range(3)] == [32, 50, 50]
    assert trace.total.launches == 1 + 2 + 8 + 32 + 50 * sparse + 2


def test_attention_to_a_prefix_reads_it_in_place() -> None:
    """No gather and no copy: keys and values are read where they lie."""
    past, tokens = 5, 6
    attention = _traced(2, tokens, past, 5).by_operator["_scaled_dot_product_flash_attention"]
    width, layers = CONFIG.decoder.hidden_size, CONFIG.decoder.num_hidden_layers
    assert attention.bytes_read == layers * 2 * 2 * width * (tokens + 2 * (past + tokens))


@torch.no_grad()
@pytest.mark.skipif(not torch.cuda.is_available(), reason="compiled functions are held against the network on a GPU")
@pytest.mark.filterwarnings("ignore")
def test_compiled_on_a_gpu_it_is_the_plain_network_in_bf16() -> None:
    from attrs import evolve

    from dsocr_symbolic.verification.served.compiling import compiled

    sizes = {"hidden_size": 256, "intermediate_size": 512, "moe_intermediate_size": 128, "vocab_size": 1000}
    torch.manual_seed(0)
    network = build(evolve(CONFIG, decoder=evolve(CONFIG.decoder, **sizes)), device="cuda")
    decoder = served_of(network, positions=256)
    calls = compiled(decoder)
    ids = torch.randint(sizes["vocab_size"], (BATCH, 100), device="cuda")
    expected = network(ids)
    pages = new_pages(
        network.config.decoder, requests=BATCH, tokens=100, page_tokens=16, device="cuda", dtype=torch.bfloat16
    )
    past = 0
    # A prompt, a chunk after it, and a token.
    for tokens in (64, 35, 1):
        found = decoder(ids[:, past : past + tokens], pages, past, calls=calls)
        past += tokens
        # bf16 rounds otherwise in other orders, and a router may then choose otherwise.
        likeness = torch.nn.functional.cosine_similarity(found, expected[:, past - 1])
        assert float(likeness.min()) > 0.98, (tokens, likeness)
