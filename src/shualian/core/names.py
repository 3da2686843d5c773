"""How a person's name is shown where others may look."""


def mask_name(name: str) -> str:
    """``张建国`` as ``张*国``, ``李梅`` as ``李*``, as screens show it, blanks trimmed."""
    name = name.strip()
    if len(name) <= 1:
        return "*"
    if len(name) == 2:
        return name[0] + "*"
    return name[0] + "*" * (len(name) - 2) + name[-1]
