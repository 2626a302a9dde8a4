"""CLIP-L transformer that reads SAM's features in place of its own patches, and the projector behind both."""

import torch
from torch import Tensor, nn

from dsocr_symbolic.verification.reference.attention import scaled_dot_product_attention
from dsocr_symbolic.verification.reference.config import ClipConfig
from dsocr_symbolic.verification.reference.precision import autocast_is_on, contiguous
from dsocr_symbolic.verification.reference.sam import resize_grid

_QUICK_GELU_SLOPE = 1.702


def quick_gelu(x: Tensor) -> Tensor:
    """Gate x by a sigmoid: [...] -> [...], fp32 under autocast.

    The network compiles this function with TorchScript, whose autocast widens an input of unknown dtype to
    fp32; without it Python's autocast would leave the input narrow.
    """
    if autocast_is_on(x):
        x = x.float()
    return x * torch.sigmoid(_QUICK_GELU_SLOPE * x)


class CLIPVisionEmbeddings(nn.Module):
    """Class token and positions; the patch convolution is stored and never runs."""

    position_ids: Tensor

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        width, tokens = config.hidden_size, config.table_grid**2 + 1
        self.table_grid = config.table_grid
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.patch_embedding = nn.Conv2d(
            config.in_channels, width, config.patch_size, stride=config.patch_size, bias=False
        )
        self.position_embedding = nn.Embedding(tokens, width)
        self.register_buffer("position_ids", torch.arange(tokens).unsqueeze(0), persistent=False)

    def positions(self, side: int) -> Tensor:
        """Return the position embeddings of the class token and a grid of side q: [1, q*q + 1, D]."""
        table: Tensor = self.position_embedding(self.position_ids)
        if side == self.table_grid:
            return table
        width = table.shape[-1]
        first, rest = torch.split(table.squeeze(0), [1, self.table_grid**2])
        grid = rest.view(1, self.table_grid, self.table_grid, width).permute(0, 3, 1, 2)
        resized = resize_grid(contiguous(grid), side).permute(0, 2, 3, 1).view(side * side, width)
        return torch.cat([first, resized]).unsqueeze(0)

    def forward(self, features: Tensor) -> Tensor:
        """Turn a feature grid into tokens: [B, D, q, q] -> [B, q*q + 1, D]."""
        images, _, side, _ = features.shape
        patches = features.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_embedding.expand(images, 1, -1), patches], dim=1)
        return tokens + self.positions(side)


class NoTPAttention(nn.Module):
    """Attention over all tokens of an image."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.num_heads = config.num_heads
        self.qkv_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within each image: [B, T, D] -> [B, T, D]."""
        images, tokens, _ = x.shape
        qkv: Tensor = self.qkv_proj(x).view(images, tokens, 3, self.num_heads, -1)
        q, k, v = (part.squeeze(2).transpose(1, 2) for part in torch.split(qkv, 1, dim=2))
        out = scaled_dot_product_attention(q, k, v, causal=False)
        projected: Tensor = self.out_proj(out.transpose(1, 2).reshape(images, tokens, -1))
        return projected


class NoTPFeedForward(nn.Module):
    """Two linear layers with a quick GELU between them."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.mlp_size)
        self.fc2 = nn.Linear(config.mlp_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to every token: [B, T, D] -> [B, T, D]."""
        out: Tensor = self.fc2(quick_gelu(self.fc1(x)))
        return out


class NoTPTransformerBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.self_attn = NoTPAttention(config)
        self.mlp = NoTPFeedForward(config)
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """Apply attention and MLP, each with its residual: [B, T, D] -> [B, T, D], fp32 under autocast once x is."""
        # Named as in the network, which keeps both until the end.
        attended = self.self_attn(self.layer_norm1(x))
        middle = x + attended
        out: Tensor = middle + self.mlp(self.layer_norm2(middle))
        return out


class NoTPTransformer(nn.Module):
    """The blocks, one after the other."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(NoTPTransformerBlock(config) for _ in range(config.num_layers))

    def forward(self, x: Tensor) -> Tensor:
        """Apply every block: [B, T, D] -> [B, T, D]."""
        for layer in self.layers:
            x = layer(x)
        return x


class VitModel(nn.Module):
    """The CLIP tower, without a final norm."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.embeddings = CLIPVisionEmbeddings(config)
        self.transformer = NoTPTransformer(config)
        self.pre_layrnorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, features: Tensor) -> Tensor:
        """Encode SAM's features: [B, D, q, q] -> [B, q*q + 1, D], class token first."""
        # Both stay alive through all blocks, as in the network.
        tokens = self.embeddings(features)
        normed = self.pre_layrnorm(tokens)
        out: Tensor = self.transformer(normed)
        return out


class MlpProjector(nn.Module):
    """One linear layer, in spite of the name."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.layers = nn.Linear(in_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        """Project every token: [B, T, I] -> [B, T, D]."""
        out: Tensor = self.layers(x)
        return out
