"""The register: certified models of terminals, and the places where terminals may stand."""
