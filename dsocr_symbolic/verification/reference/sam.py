"""SAM ViT-B image encoder with two further strided convolutions.

Nothing here subscripts a tensor: ``x[...]`` asks for the device's runtime, which fake CUDA tensors lack.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsocr_symbolic.verification.reference.attention import scaled_dot_product_attention
from dsocr_symbolic.verification.reference.config import SamConfig
from dsocr_symbolic.verification.reference.precision import contiguous


def resize_grid(table: Tensor, side: int) -> Tensor:
    """Bring a square table to side g by antialiased bicubic interpolation in fp32: [1, D, G, G] -> [1, D, g, g]."""
    dtype, table = table.dtype, table.to(torch.float32)
    resized = functional.interpolate(table, size=(side, side), mode="bicubic", antialias=True, align_corners=False)
    return resized.to(dtype)


def resize_rows(table: Tensor, rows: int) -> Tensor:
    """Bring a table to another number of rows by linear interpolation in fp32: [L, d] -> [R, d]."""
    wide = table.to(torch.float32).t().unsqueeze(0)
    return functional.interpolate(wide, size=rows, mode="linear").to(table.dtype).squeeze(0).t()


def relative_position_table(table: Tensor, side: int) -> Tensor:
    """Look up the embedding of every (query, key) offset along one axis: [L, d] -> [K, K, d] for a side K."""
    offsets = 2 * side - 1
    rows = table if table.shape[0] == offsets else resize_rows(table, offsets)
    # Queries and keys may have different strides in general: here the factor is always 1.0, yet launched.
    queries = torch.arange(side, device=table.device).unsqueeze(1) * 1.0
    keys = torch.arange(side, device=table.device).unsqueeze(0) * 1.0
    places = (queries - keys) + (side - 1) * 1.0
    embedded: Tensor = torch.ops.aten.index(rows, [places.long()])
    return embedded


def relative_position_scores(q: Tensor, table_h: Tensor, table_w: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Score queries [B*heads, K*K, d] against the relative rows and columns of their keys, from tables [L, d].

    Returns scores by row [B*heads, K*K, K, 1] and by column [B*heads, K*K, 1, K].
    """
    rows = relative_position_table(table_h, side)
    columns = relative_position_table(table_w, side)
    groups, tokens, width = q.shape
    grid = q.reshape(groups, side, side, width)
    by_row = torch.einsum("bhwc,hkc->bhwk", grid, rows)
    by_column = torch.einsum("bhwc,wkc->bhwk", grid, columns)
    by_row = by_row.unsqueeze(-1).reshape(groups, tokens, side, 1)
    by_column = by_column.unsqueeze(-2).reshape(groups, tokens, 1, side)
    return by_row, by_column


class Attention(nn.Module):
    """Attention over a square of tokens with decomposed relative positions."""

    def __init__(self, config: SamConfig, table_side: int) -> None:
        super().__init__()
        width = config.hidden_size
        self.num_heads = config.num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * table_side - 1, width // config.num_heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * table_side - 1, width // config.num_heads))

    def forward(self, x: Tensor) -> Tensor:
        """Attend within each image or window: [B, K, K, D] -> [B, K, K, D]."""
        images, side, _, _ = x.shape
        tokens, heads = side * side, self.num_heads
        qkv: Tensor = self.qkv(x).reshape(images, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.reshape(3, images * heads, tokens, -1).unbind(0)
        by_row, by_column = relative_position_scores(q, self.rel_pos_h, self.rel_pos_w, side)
        bias = by_row.view(images, heads, tokens, side, 1) + by_column.view(images, heads, tokens, 1, side)
        q, k, v = (part.view(images, heads, tokens, -1) for part in (q, k, v))
        out = scaled_dot_product_attention(q, k, v, bias.view(images, heads, tokens, tokens), causal=False)
        out = out.view(images, heads, side, side, -1).permute(0, 2, 3, 1, 4).reshape(images, side, side, -1)
        projected: Tensor = self.proj(out)
        return projected


class MLPBlock(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.lin1 = nn.Linear(config.hidden_size, config.mlp_size)
        self.lin2 = nn.Linear(config.mlp_size, config.hidden_size)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to every token: [..., D] -> [..., D]."""
        out: Tensor = self.lin2(self.act(self.lin1(x)))
        return out


def partition_windows(x: Tensor, window: int) -> Tensor:
    """Cut a grid into windows, zero-padded to n = ceil(g / w) a side: [B, g, g, D] -> [B*n*n, w, w, D]."""
    images, side, _, width = x.shape
    missing = -side % window
    if missing:
        x = functional.pad(x, (0, 0, 0, missing, 0, missing))
    count = (side + missing) // window
    split = x.view(images, count, window, count, window, width)
    return contiguous(split.transpose(2, 3)).view(-1, window, window, width)


def merge_windows(windows: Tensor, side: int) -> Tensor:
    """Put windows back into a grid and drop what was padded: [B*n*n, w, w, D] -> [B, g, g, D]."""
    window = windows.shape[1]
    count = -(-side // window)
    padded = count * window
    split = windows.view(-1, count, count, window, window, windows.shape[-1])
    x = contiguous(split.transpose(2, 3)).view(-1, padded, padded, windows.shape[-1])
    return contiguous(x.narrow(1, 0, side).narrow(2, 0, side)) if padded > side else x


class Block(nn.Module):
    """Transformer block; attention is within windows, or over the whole grid where their side is 0."""

    def __init__(self, config: SamConfig, window_size: int) -> None:
        super().__init__()
        self.window_size = window_size
        self.norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attn = Attention(config, window_size or config.table_grid)
        self.norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = MLPBlock(config)

    def forward(self, x: Tensor) -> Tensor:
        """Apply attention and MLP, each with its residual: [B, g, g, D] -> [B, g, g, D]."""
        shortcut, side = x, x.shape[1]
        # One name for all: each tensor is freed as soon as the next one is there, as in the network.
        x = self.norm1(x)
        if self.window_size:
            x = partition_windows(x, self.window_size)
        x = self.attn(x)
        if self.window_size:
            x = merge_windows(x, side)
        x = shortcut + x
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of an image, written out in single operators."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise every pixel: [B, C, H, W] -> [B, C, H, W]."""
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        # The difference is taken anew: the network does so, and each launch counts.
        normal = (x - mean) / torch.sqrt(variance + self.eps)
        return self.weight.view(-1, 1, 1) * normal + self.bias.view(-1, 1, 1)


class PatchEmbed(nn.Module):
    """Patches of an image to tokens by one convolution."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(config.in_channels, config.hidden_size, config.patch_size, stride=config.patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """Embed the patches: [B, 3, s, s] -> [B, g, g, D], a permuted view: later layers inherit its strides."""
        out: Tensor = self.proj(x).permute(0, 2, 3, 1)
        return out


class ImageEncoderViT(nn.Module):
    """The encoder: patches, blocks, neck and two strided convolutions."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        width, grid, neck = config.hidden_size, config.table_grid, config.neck_channels
        self.patch_embed = PatchEmbed(config)
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, width))
        self.blocks = nn.ModuleList(
            Block(config, 0 if layer in config.global_layers else config.window_size)
            for layer in range(config.num_layers)
        )
        self.neck = nn.Sequential(
            nn.Conv2d(width, neck, 1, bias=False),
            LayerNorm2d(neck),
            nn.Conv2d(neck, neck, 3, padding=1, bias=False),
            LayerNorm2d(neck),
        )
        self.net_2 = nn.Conv2d(neck, 2 * neck, 3, stride=2, padding=1, bias=False)
        self.net_3 = nn.Conv2d(2 * neck, config.out_channels, 3, stride=2, padding=1, bias=False)

    def positions(self, side: int) -> Tensor:
        """Return the position embeddings of a grid of side g: [1, g, g, D]."""
        table: Tensor = self.pos_embed
        if table.shape[1] == side:
            return table
        return resize_grid(table.permute(0, 3, 1, 2), side).permute(0, 2, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Encode images: [B, 3, s, s] -> [B, 1024, s/64, s/64]."""
        x = self.patch_embed(x)
        x = x + self.positions(x.shape[1])
        for block in self.blocks:
            x = block(x)
        x = self.neck(x.permute(0, 3, 1, 2))
        narrow = self.net_2(x)
        out: Tensor = self.net_3(narrow.clone())
        return out
