"""Who stands here: what a piece of evidence says at a hospital's desk."""
