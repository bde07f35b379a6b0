"""Training: streaming batches, optimization, exact resumption."""
