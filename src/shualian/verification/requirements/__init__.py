"""What a scene asks for: liveness, the police registry, and what money needs."""
