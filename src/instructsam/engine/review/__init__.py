"""Review by people: the queue, the HTML pages, Label Studio, and the file of decisions."""
