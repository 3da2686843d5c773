"""On what a settlement rests: a face, a shown code, a card with PIN, a document with a clerk."""
