"""自费: visits that no insurance pays, in the same messages as those that one does."""
