"""Phone: a telephone number in the one international spelling (ITU-T E.164): ``+`` and digits alone.

A number written with ``+`` or ``00`` says its country itself. Of another the country must be told; its calling code
then takes the place of the digit that is dialed first within the country, where it has one.
"""

from __future__ import annotations

import re

__all__ = ["COUNTRIES", "digits_of", "phone_of"]

_TABLE = """
AE 971 0;AT 43 0;AU 61 0;BD 880 0;BE 32 0;BG 359 0;BR 55 0;BW 267 -;CA 1 1;CH 41 0;CL 56 -
CN 86 0;CO 57 -;CZ 420 -;DE 49 0;DK 45 -;EE 372 -;EG 20 0;ES 34 -;ET 251 0;FI 358 0;FR 33 0
GB 44 0;GH 233 0;GR 30 -;HK 852 -;HR 385 0;ID 62 0;IE 353 0;IL 972 0;IN 91 0;IT 39 -;JP 81 0
KE 254 0;KR 82 0;LT 370 0;LU 352 -;LV 371 -;MA 212 0;MX 52 -;MY 60 0;MZ 258 -;NA 264 0;NG 234 0
NL 31 0;NO 47 -;NZ 64 0;PE 51 0;PH 63 0;PK 92 0;PL 48 -;PT 351 -;RO 40 0;RS 381 0;SA 966 0
SE 46 0;SG 65 -;SI 386 0;SK 421 0;TH 66 0;TR 90 0;TW 886 0;TZ 255 0;UA 380 0;UG 256 0;US 1 1
VN 84 0;ZA 27 0;ZM 260 0;ZW 263 0
"""
COUNTRIES: dict[str, tuple[str, str]] = {
    word: (code, "" if trunk == "-" else trunk)
    for word, code, trunk in (entry.split() for entry in _TABLE.replace("\n", ";").split(";") if entry)
}
"""By ISO 3166 code: the calling code and the digit that is dialed before a number within the country."""

_SHAPE = re.compile(r"(?:tel\.?:?|phone:?|ph\.?:?)?\s*(\+|00)?\s*([\d\s().\-/\u2010-\u2013\u00a0]{6,24})", re.I)
_ZERO = re.compile(r"\(0\)")


def digits_of(text: str) -> tuple[str, bool] | None:
    """The digits of what is written as a telephone number, and whether they begin with a calling code; else None."""
    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        return None
    abroad = found[1] is not None
    digits = re.sub(r"\D", "", _ZERO.sub("", found[2]) if abroad else found[2])
    return (digits, abroad) if 7 <= len(digits) <= 15 and not (abroad and digits[0] == "0") else None


def phone_of(text: str, country: str = "") -> str:
    """The number as ``+27821234567``; the text as it is where it is none, or its country is not known."""
    found = digits_of(text)
    if found is None:
        return text
    digits, abroad = found
    if abroad:
        return f"+{digits}"
    if country not in COUNTRIES:
        return text
    code, trunk = COUNTRIES[country]
    digits = digits.removeprefix(trunk) if trunk else digits
    return f"+{code}{digits}" if len(code + digits) <= 15 else text
