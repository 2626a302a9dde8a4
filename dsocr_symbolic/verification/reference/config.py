"""Sizes of the network; the defaults are the published model, tests build smaller ones."""

from typing import Literal

from attrs import field, frozen


@frozen(kw_only=True)
class SamConfig:
    """Sizes of the SAM image encoder, which the network's code fixes rather than reads."""

    patch_size: int = 16
    in_channels: int = 3
    hidden_size: int = 768
    num_layers: int = 12
    num_heads: int = 12
    mlp_size: int = 3072
    window_size: int = 14
    global_layers: tuple[int, ...] = (2, 5, 8, 11)
    table_grid: int = 64
    """Side, in patches, of the grid that the stored position tables cover."""
    neck_channels: int = 256
    layer_norm_eps: float = 1e-6

    @property
    def out_channels(self) -> int:
        """Channels of the features: the two strided convolutions double the neck's channels twice."""
        return 4 * self.neck_channels


@frozen(kw_only=True)
class ClipConfig:
    """Sizes of the CLIP transformer that runs on SAM's features."""

    patch_size: int = 14
    in_channels: int = 3
    image_size: int = 224
    """Side in pixels that the stored position table was made for."""
    hidden_size: int = 1024
    num_layers: int = 24
    num_heads: int = 16
    mlp_size: int = 4096
    layer_norm_eps: float = 1e-5

    @property
    def table_grid(self) -> int:
        """Side, in patches, of the grid that the stored position table covers."""
        return self.image_size // self.patch_size


@frozen(kw_only=True)
class DecoderConfig:
    """Sizes of the mixture-of-experts decoder, named as in the checkpoint's ``config.json``."""

    vocab_size: int = 129280
    hidden_size: int = 1280
    intermediate_size: int = 6848
    moe_intermediate_size: int = 896
    num_hidden_layers: int = 12
    first_k_dense_replace: int = 1
    num_attention_heads: int = 10
    n_routed_experts: int = 64
    n_shared_experts: int = 2
    num_experts_per_tok: int = 6
    routed_scaling_factor: float = 1.0
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    attention: Literal["eager", "flash"] = "flash"
    """Which attention class the layers use; the network's code offers no third one."""

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads


@frozen(kw_only=True)
class OcrConfig:
    """The whole network: two vision encoders, a projector and a decoder."""

    sam: SamConfig = field(factory=SamConfig)
    clip: ClipConfig = field(factory=ClipConfig)
    decoder: DecoderConfig = field(factory=DecoderConfig)
