"""Names of people, companies and things, with the spellings that break pipelines."""

from __future__ import annotations

from random import Random

FIRST = (
    "Anna", "Ben", "Chloé", "Dieter", "Esra", "Fatima", "Gül", "Håkon", "Inés", "Jürgen", "Katarzyna", "Liam", "Mei",
    "Nikolai", "Olu", "Priya", "Quentin", "Rosa", "Søren", "Thandi", "Uma", "Víctor", "Wanjiru", "Ximena", "Yuki",
    "Zoë", "José", "עדה", "محمد", "李", "さくら", "O’Neil",
)  # fmt: skip
LAST = (
    "Adler", "Brandt", "Costa", "Dvořák", "Eriksen", "Fischer", "García", "Haddad", "Ibrahim", "Jensen", "Kowalski",
    "Lindqvist", "Müller", "Nguyễn", "Okafor", "Peña", "Quispe", "Rossi", "Şahin", "Tanaka", "Ueda", "Vogel", "Weiß",
    "Xu", "Yılmaz", "Zając", "O'Hara", "van der Berg", "כהן", "العلي", "王",
)  # fmt: skip
STEMS = (
    "Alder", "Bridge", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbour", "Indigo", "Juniper", "Kestrel",
    "Lumen", "Meridian", "Nimbus", "Orchard", "Pioneer", "Quarry", "Ridge", "Summit", "Tidal", "Umber", "Vertex",
    "Willow", "Xenon", "Yonder", "Zephyr",
)  # fmt: skip
TRADES = ("Labs", "Logistics", "Analytics", "Foods", "Health", "Energy", "Studio", "Systems", "Works", "Mobility")
FORMS = ("GmbH", "Ltd", "Inc.", "AB", "S.A.", "B.V.", "SAS", "Oy", "AG", "& Co. KG")
ODD = (
    "Crème Brûle\u0301e & Söhne",  # a combining accent
    "🚀 Rocket \"Quotes\" Inc.",
    "شركة النور للتجارة",  # right to left
    "חברת אלפא בע״מ",
    "株式会社さくら",
    "Back\\slash; DROP TABLE--",
    "Zero\u200bWidth GmbH",
    "👩‍👩‍👧‍👦 Family SAS",
    "Tab\tand\nnewline Ltd",
    "NULL",
    "Ünï©ödé ☃ AB",
    "Ａｃｍｅ Fullwidth K.K.",
)  # fmt: skip
PLACES = (
    ("Berlin", "BE", "DE", "10115"), ("München", "BY", "DE", "80331"), ("Zürich", "ZH", "CH", "8001"),
    ("Boston", "MA", "US", "02108"), ("Nowhereville", "AK", "US", "01851"), ("São Paulo", "SP", "BR", "01310-100"),
    ("Łódź", None, "PL", "90-001"), ("Paris", None, "FR", "75001"), ("東京", None, "JP", "100-0001"),
    ("København", None, "DK", "1050"), ("London", None, "GB", "EC1A 1BB"), ("תל אביב", None, "IL", "6100000"),
)  # fmt: skip
WORDS = (
    "invoice", "export", "login", "dashboard", "seat", "webhook", "report", "filter", "import", "password", "timeout",
    "graph", "currency", "permission", "mobile", "API", "error", "slow", "missing", "duplicate", "größer", "señal",
    "再起動", "خطأ", "🔥",
)  # fmt: skip


def company_name(draw: Random, index: int) -> str:
    """A company's name; every 23rd is an odd one."""
    if index % 23 == 5:
        return f"{ODD[index // 23 % len(ODD)]} {index}" if index >= 23 * len(ODD) else ODD[index // 23 % len(ODD)]
    return f"{draw.choice(STEMS)} {draw.choice(TRADES)} {draw.choice(FORMS)}"


def person(draw: Random) -> tuple[str, str]:
    return draw.choice(FIRST), draw.choice(LAST)


def sentence(draw: Random, words: int) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(words))
