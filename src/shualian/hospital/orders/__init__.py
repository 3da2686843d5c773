"""Orders as charge items: priced here, classed by the insurer."""
