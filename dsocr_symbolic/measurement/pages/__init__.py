"""What pages take on the host: made pages, the steps of the checkpoint's own code, and constants that fit them."""
