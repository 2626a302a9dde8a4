"""Parts of the network as a server runs them: compiled, decoding replayed from CUDA graphs."""
