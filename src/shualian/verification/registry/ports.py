"""What verification needs of the police registry."""

from typing import Protocol

from shualian.verification.registry.model import RegistryQuery, RegistryVerdict


class PoliceRegistry(Protocol):
    """公安人口信息: compares a live face with the registered photo of one person (1:1)."""

    def compare(self, query: RegistryQuery) -> RegistryVerdict:
        """The registry's verdict; ``UNAVAILABLE`` whenever it cannot be had, never an error.

        Network I/O: never inside a transaction.
        """
        ...
