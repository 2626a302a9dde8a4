"""Vision features to the decoder's width."""

from torch import Tensor, nn


class MlpProjector(nn.Module):
    """One linear layer, in spite of the name.

    Parameters
    ----------
    in_features
        Width of CLIP's tokens and SAM's features side by side.
    out_features
        Width of the decoder.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.layers = nn.Linear(in_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        """Project every token.

        Parameters
        ----------
        x
            [B, T, I].

        Returns
        -------
        Tensor
            [B, T, D].
        """
        out: Tensor = self.layers(x)
        return out
