"""The HTTP application: listeners built from the parts' routers, refusals as problem+json."""
