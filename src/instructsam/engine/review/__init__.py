"""Review by people: export of the queue and import of decisions."""
