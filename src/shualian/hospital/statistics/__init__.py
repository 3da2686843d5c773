"""Statistics: how faces, codes, cards and documents are used, in numbers only."""
