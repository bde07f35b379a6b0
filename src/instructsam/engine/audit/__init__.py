"""Measured quality: a simulated model, or a served one on scenes whose answers are known."""
