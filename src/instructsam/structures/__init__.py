"""Types that every part shares: boxes, masks, instances, model outputs."""
