"""The network, its weights, and generation."""
