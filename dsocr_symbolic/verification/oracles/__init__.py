"""A second opinion: parts of the network as the transformers library builds them."""
