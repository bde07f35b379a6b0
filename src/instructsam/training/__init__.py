"""Training: streaming batches, optimisation, exact resumption."""
