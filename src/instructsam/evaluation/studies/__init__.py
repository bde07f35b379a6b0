"""Questions about a model that take several runs or scores: thresholds, robustness, false alarms, comparisons."""
