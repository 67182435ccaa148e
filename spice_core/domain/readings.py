"""How the text of a cell can be read as a value: the vocabulary that table engines and inference share.

A reading is a name. Engines count how many values of a column fit each, and cast by it; inference chooses.

number_us       1,234.5   -1234   (12.50)   $1,234   12.5%   1e-5   1,23,456   12-
number_eu       1.234,5   1234,5 EUR   12,5 %
number_space    1 234,5   1 234.5   1'234.5
boolean         the words of `BOOLEAN_WORDS`; a cast may name others
date_ymd        2024-01-31   2024/1/31   2024. 1. 31.   20240131   2024年1月31日   2024년 1월 31일
date_dmy        31/01/2024   31.1.24
date_mdy        01/31/2024   1-31-24
date_named      31-Jan-2024   31. Januar 2024   31 de enero de 2024   January 31, 2024   2024. január 31.
date_era        令和6年1月31日   R6.1.31   民國113年1月31日
date_yymd       24-01-31   24.1.31
date_serial     45322: days since 1899-12-30, as spreadsheets count
date_time_ymd   2024-01-31T12:30:00.123Z   2024-01-31 12:30+09:00   2024/1/31 12:30 PM   2024-01-31 오후 3:05   20240131T123000Z
date_time_dmy   31/01/2024 12:30   31.1.24 12:30:15
date_time_mdy   01/31/2024 12:30:15 PM
date_time_named 31 Jan 2024 12:30   Wed, 31 Jan 2024 12:30:15 +0100
date_mixed_X    date_ymd, date_named, or of order X (dmy, mdy)
date_time_mixed_X   the same with a time or without one (X also ymd)
time            12:30   12:30:15.123   3:05 PM
uuid, email, url, ip, phone: what the names say

Values of percentages are divided by 100, brackets are negative numbers, times without a zone are UTC. Years of two digits:
00 to 68 are 2000 to 2068, 69 to 99 are 1969 to 1999 (as POSIX has it).
"""
# ruff: noqa: RUF001 - words of many scripts are what it is about

from collections.abc import Mapping

NUMBERS = ("number_us", "number_eu", "number_space")
DATES = ("date_ymd", "date_dmy", "date_mdy")
DATE_TIMES = ("date_time_ymd", "date_time_dmy", "date_time_mdy")
IDENTIFIERS = ("uuid", "email", "url", "ip")
OTHER_DATES = ("date_named", "date_era", "date_yymd")
READINGS = (*NUMBERS, "boolean", *DATES, *OTHER_DATES, *DATE_TIMES, "date_time_named", "time", *IDENTIFIERS, "phone")
"""Readings whose fits are counted in every column."""

MIXED_DATES = ("date_mixed_dmy", "date_mixed_mdy")
MIXED_DATE_TIMES = ("date_time_mixed_ymd", "date_time_mixed_dmy", "date_time_mixed_mdy")
ALL_READINGS = (*READINGS, "date_serial", *MIXED_DATES, *MIXED_DATE_TIMES)
"""Readings that a table can be cast by."""

READINGS_OF: Mapping[str, tuple[str, ...]] = {
    "boolean": ("boolean",),
    **dict.fromkeys(("integer", "decimal", "double"), NUMBERS),
    "date": (*DATES, *OTHER_DATES, *MIXED_DATES, "date_serial"),
    "dateTime": (*DATE_TIMES, "date_time_named", *MIXED_DATE_TIMES),
    **{name: (name,) for name in ("time", *IDENTIFIERS, "phone")},
}
"""The readings that give values of a type that tables are kept in; `string` needs none."""


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


BOOLEAN_WORDS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "en": (_words("true t yes y on 1 .t. .true."), _words("false f no n off 0 .f. .false.")),
    "de": (_words("ja wahr j"), _words("nein falsch n")),
    "fr": (_words("oui vrai o"), _words("non faux n")),
    "es": (_words("si sí s verdadero cierto"), _words("no n falso")),
    "it": (_words("si sì s vero"), _words("no n falso")),
    "pt": (_words("sim s verdadeiro"), _words("não nao n falso")),
    "nl": (_words("ja waar j"), _words("nee onwaar n")),
    "sv": (_words("ja j sant sann"), _words("nej nei n falskt usann")),
    "fi": (_words("kyllä kylla tosi"), _words("ei epätosi")),
    "pl": (_words("tak prawda"), _words("nie fałsz")),
    "cs": (_words("ano áno pravda"), _words("ne nie nepravda")),
    "hu": (_words("igen igaz"), _words("nem hamis")),
    "ro": (_words("da adevărat"), _words("nu fals")),
    "tr": (_words("evet doğru"), _words("hayır hayir yanlış")),
    "id": (_words("ya benar"), _words("tidak salah")),
    "vi": (_words("có đúng"), _words("không sai")),
    "ru": (_words("да истина"), _words("нет ложь")),
    "uk": (_words("так істина"), _words("ні хибність")),
    "el": (_words("ναι αληθές"), _words("όχι οχι ψευδές")),
    "ar": (_words("نعم صحيح"), _words("لا خطأ")),
    "hi": (_words("हाँ हां सही"), _words("नहीं गलत")),
    "th": (_words("ใช่ จริง"), _words("ไม่ ไม่ใช่ เท็จ")),
    "ko": (_words("예 네 참 유 여 o ○"), _words("아니오 아니요 거짓 무 부 x ×")),
    "ja": (_words("はい 真 有 有り あり 可 要 済 ○ 〇 ◯"), _words("いいえ 偽 無 無し なし 否 不可 不要 未 × ✕")),
    "zh": (_words("是 真 有 对 對 可 √ 已"), _words("否 不是 假 无 無 没有 沒有 错 錯 不可 × 未")),
    "signs": (_words("✓ ✔ ☑ ✅"), _words("✗ ✘ ☐ ❌ ✖")),
}
"""Per language the words for true and for false, in lower case."""

_ALL_TRUE = frozenset(word for words, _ in BOOLEAN_WORDS.values() for word in words)
_ALL_FALSE = frozenset(word for _, words in BOOLEAN_WORDS.values() for word in words)
TRUE_WORDS = _ALL_TRUE - _ALL_FALSE
FALSE_WORDS = _ALL_FALSE - _ALL_TRUE
NULL_WORDS = _words(
    "na n/a #n/a n.a. null (null) nil none nan <na> nat - -- --- \u2014 \u2013 . .. ... ? ?? \\n",
    "#null! #div/0! #value! #ref! #name? #num!",
    "missing unknown undefined n/d nd tba tbd n.v. k.a. s/d s.d. 없음 해당없음 미상 なし 不明 未知 暂无 暫無 無し",
)
PLAIN_NULL_WORDS = _words("#n/a n/a null (null) <na> \\n #null! #div/0! #value! #ref! #name? #num!")
"""Words that stand for nothing also in a column of names."""

CURRENCY_CODES = tuple(
    sorted(
        _words(
            "AED ARS AUD BDT BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KES KRW KWD KZT MAD MXN",
            "MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TRY TWD UAH USD UYU VND ZAR",
        )
    )
)
"""ISO 4217 codes that are read as part of an amount."""
CURRENCY_WORDS = ("kr", "zł", "Kč", "Ft", "lei", "Rs", "RM", "Rp", "Fr", "원", "円", "元", "圆", "руб", "лв", "dollars", "euros")
"""Words other than signs and codes that name a currency beside a number."""
