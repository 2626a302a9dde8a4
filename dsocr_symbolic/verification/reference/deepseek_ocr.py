"""The whole network: images to features, features into the prompt, prompt to logits.

The network also sums its pixels to find out whether there is an image; here the caller says so.
"""

from collections.abc import Sequence

import torch
from attrs import frozen
from torch import Tensor, nn

from dsocr_symbolic.verification.reference.clip import MlpProjector, VitModel
from dsocr_symbolic.verification.reference.config import OcrConfig
from dsocr_symbolic.verification.reference.deepseek_v2 import (
    DeepseekV2DecoderLayer,
    DeepseekV2RMSNorm,
    Routing,
    balanced_rows,
)
from dsocr_symbolic.verification.reference.llama import KeyValueCache, causal_mask
from dsocr_symbolic.verification.reference.sam import ImageEncoderViT


@frozen(eq=False)
class Views:
    """What the network sees of one image.

    Attributes
    ----------
    whole : Tensor
        The whole image, [1, 3, s, s].
    crops : Tensor or None
        Its crops, row by row, [n, 3, t, t]; None if it was not cut.
    columns, rows : int
        Crops across and down, n = columns*rows.
    """

    whole: Tensor
    crops: Tensor | None = None
    columns: int = 1
    rows: int = 1


class DeepseekOCRModel(nn.Module):
    """Vision towers, projector and decoder, without the output head."""

    def __init__(self, config: OcrConfig, routing: Routing = balanced_rows) -> None:
        super().__init__()
        decoder = config.decoder
        width = decoder.hidden_size
        self.attention = decoder.attention
        # As the network's own code has it; the towers may be trained here all the same.
        self.trains_encoder = False
        self.embed_tokens = nn.Embedding(decoder.vocab_size, width)
        self.layers = nn.ModuleList(
            DeepseekV2DecoderLayer(decoder, layer, routing) for layer in range(decoder.num_hidden_layers)
        )
        self.norm = DeepseekV2RMSNorm(width, decoder.rms_norm_eps)
        self.sam_model = ImageEncoderViT(config.sam)
        self.vision_model = VitModel(config.clip)
        self.projector = MlpProjector(config.clip.hidden_size + config.sam.out_channels, width)
        self.image_newline = nn.Parameter(torch.zeros(width))
        self.view_seperator = nn.Parameter(torch.zeros(width))

    def vision_features(self, pixels: Tensor) -> Tensor:
        """Run both towers and the projector on equal views: [B, 3, s, s] -> [B, q*q, D] with q = s/64."""
        sam: Tensor = self.sam_model(pixels)
        clip: Tensor = self.vision_model(sam)
        patches = clip.narrow(1, 1, clip.shape[1] - 1)
        out: Tensor = self.projector(torch.cat((patches, sam.flatten(2).permute(0, 2, 1)), dim=-1))
        return out

    def with_newlines(self, grid: Tensor) -> Tensor:
        """End every row of a feature grid with the newline token: [h, w, D] -> [h*(w + 1), D]."""
        height, _, width = grid.shape
        newlines = self.image_newline.view(1, 1, -1).expand(height, 1, width)
        return torch.cat([grid, newlines], dim=1).view(-1, width)

    def image_tokens(self, views: Views) -> Tensor:
        """Return what stands for an image in the prompt, [tokens, D]: crops as one grid, whole image, separator."""
        parts: list[Tensor] = []
        if views.crops is not None:
            local = self.vision_features(views.crops)
            side, width = int(local.shape[1] ** 0.5), local.shape[2]
            grid = local.view(views.rows, views.columns, side, side, width).transpose(1, 2)
            parts.append(self.with_newlines(grid.reshape(views.rows * side, views.columns * side, width)))
        whole = self.vision_features(views.whole)
        side = int(whole.shape[1] ** 0.5)
        parts.append(self.with_newlines(whole.view(side, side, -1)))
        return torch.cat([*parts, self.view_seperator.unsqueeze(0)])

    def place_images(self, embeds: Tensor, images: Sequence[Views], image_mask: Tensor) -> None:
        """Write the images, one per sequence, over their placeholders, in place: embeds [B, S, D], mask bool [B, S]."""
        for row, views in enumerate(images):
            mask = image_mask.select(0, row).unsqueeze(-1)
            with torch.set_grad_enabled(self.trains_encoder and torch.is_grad_enabled()):
                tokens = self.image_tokens(views)
            # The network joins the images of one sequence, of which there is always one.
            embeds.select(0, row).masked_scatter_(mask, torch.cat([tokens]))

    def forward(
        self,
        input_ids: Tensor | None = None,
        *,
        inputs_embeds: Tensor | None = None,
        cache: KeyValueCache | None = None,
        images: Sequence[Views] = (),
        image_mask: Tensor | None = None,
    ) -> Tensor:
        """Run the decoder on a prompt or one more token: ids [B, S] or embeds [B, S, D] -> [B, S, D].

        Embeddings are changed in place where images are given; image_mask, bool [B, S], says where they go. The cache
        receives the new keys and values.
        """
        if inputs_embeds is None:
            if input_ids is None:
                raise ValueError("give input_ids or inputs_embeds")
            inputs_embeds = self.embed_tokens(input_ids)
        elif input_ids is not None:
            raise ValueError("give input_ids or inputs_embeds, not both")
        # The name keeps the embeddings alive through all layers, as in the network.
        x = inputs_embeds
        if images:
            if image_mask is None:
                raise ValueError("images need image_mask to say where they go")
            self.place_images(x, images, image_mask)
        queries, past = x.shape[1], cache.tokens if cache is not None else 0
        position_ids = torch.arange(past, past + queries, device=x.device).unsqueeze(0)
        mask = causal_mask(queries, past, x) if self.attention == "eager" else None
        for layer in self.layers:
            x = layer(x, position_ids, mask, cache)
        out: Tensor = self.norm(x)
        return out


class DeepseekOCRForCausalLM(nn.Module):
    """The network with its output head, which is not tied to the token table."""

    def __init__(self, config: OcrConfig | None = None, routing: Routing = balanced_rows) -> None:
        super().__init__()
        self.config = config or OcrConfig()
        self.model = DeepseekOCRModel(self.config, routing)
        decoder = self.config.decoder
        self.lm_head = nn.Linear(decoder.hidden_size, decoder.vocab_size, bias=False)

    def logits(self, hidden: Tensor) -> Tensor:
        """Score the vocabulary at every position: [B, S, D] -> [B, S, V] in fp32."""
        scores: Tensor = self.lm_head(hidden)
        return scores.float()

    def forward(
        self,
        input_ids: Tensor | None = None,
        *,
        inputs_embeds: Tensor | None = None,
        cache: KeyValueCache | None = None,
        images: Sequence[Views] = (),
        image_mask: Tensor | None = None,
    ) -> Tensor:
        """Run the network, with what its model takes: ids [B, S] or embeds [B, S, D] -> logits [B, S, V] in fp32."""
        hidden = self.model(input_ids, inputs_embeds=inputs_embeds, cache=cache, images=images, image_mask=image_mask)
        return self.logits(hidden)
