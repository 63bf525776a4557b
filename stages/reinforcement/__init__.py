"""Advantages, the PPO update, and its diagnostics."""
