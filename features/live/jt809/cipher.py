"""Encrypted bodies of JT/T 809: a keystream of a linear congruence that starts anew with the key in each frame's header.

It hides nothing from whoever has seen some traffic: a link over a public line belongs into a tunnel whether it is encrypted or not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from registry.errors import ConfigurationError

_WORD: Final = 0xFFFF_FFFF
_THREE: Final = re.compile(r"(\d{1,10}),(\d{1,10}),(\d{1,10})")


@dataclass(frozen=True, repr=False)
class Cipher:
    """What two platforms have agreed on.

    Parameters
    ----------
    m1, ia1, ic1
        Modulus, factor and summand, each of 32 bits.
    """

    m1: int
    ia1: int
    ic1: int

    @classmethod
    def from_text(cls, told: str) -> Cipher | None:
        """Return the cipher of "M1,IA1,IC1"; None of nothing.

        Raises
        ------
        ConfigurationError
            If it is no three numbers of 32 bits.
        """
        if not told:
            return None
        met = _THREE.fullmatch(told.replace(" ", ""))
        numbers = [int(part) for part in met.groups()] if met else []
        if not numbers or max(numbers) > _WORD:
            raise ConfigurationError(
                "the cipher of the platform link is no three numbers", remedy="Set ROADRISK_JT809_CIPHER to M1,IA1,IC1.",
            )
        return cls(*numbers)

    def applied(self, body: bytes, key: int) -> bytes:
        """Return a body decrypted, or encrypted: both are the same."""
        key, modulus, found = key or 1, self.m1 or 1, bytearray(body)
        for place in range(len(found)):
            key = (self.ia1 * (key % modulus) + self.ic1) & _WORD
            found[place] ^= key >> 20 & 0xFF
        return bytes(found)
