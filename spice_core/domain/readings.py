"""How the text of a cell can be read as a value: the vocabulary that table engines and inference share.

A reading is a name. Engines count how many values of a column fit each, and cast by it; inference chooses.

number_us       1,234.5   -1234   (12.50)   $1,234   12.5%   1e-5   1,23,456
number_eu       1.234,5   1234,5 EUR   12,5 %
number_space    1 234,5   1 234.5   1'234.5
boolean         the words of `TRUE_WORDS` and `FALSE_WORDS`
date_ymd        2024-01-31   2024/1/31   2024.01.31   20240131   2024年1月31日   2024년 1월 31일
date_dmy        31/01/2024   31.1.24   31-Jan-2024   31 January 2024   January 31, 2024
date_mdy        01/31/2024   1-31-24   31-Jan-2024   Jan 31 2024
date_time_ymd   2024-01-31T12:30:00.123Z   2024-01-31 12:30+09:00   2024/1/31 12:30 PM
date_time_dmy   31/01/2024 12:30   31.1.24 12:30:15
date_time_mdy   01/31/2024 12:30:15 PM
time            12:30   12:30:15.123
uuid, email, url, ip: what the names say

Values of percentages are divided by 100, brackets are negative numbers, times without a zone are UTC.
"""

NUMBERS = ("number_us", "number_eu", "number_space")
DATES = ("date_ymd", "date_dmy", "date_mdy")
DATE_TIMES = ("date_time_ymd", "date_time_dmy", "date_time_mdy")
IDENTIFIERS = ("uuid", "email", "url", "ip")
READINGS = (*NUMBERS, "boolean", *DATES, *DATE_TIMES, "time", *IDENTIFIERS)


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


TRUE_WORDS = _words(
    "true t yes y on 1 ja j oui si sí s sim da да д tak evet kyllä",
    "예 네 참 はい 真 是 有 対 对 ✓ ✔ ☑ vrai verdadero verdadeiro wahr vero",
)
FALSE_WORDS = _words(
    "false f no n off 0 nein non não nao nie нет н ei", "아니오 아니요 거짓 いいえ 偽 假 否 无 無 ✗ ✘ ☐ faux falso falsch"
)
NULL_WORDS = _words(
    "na n/a #n/a n.a. null (null) nil none nan - -- --- \u2014 \u2013 . .. ? ?? \\n #null! #div/0! #value! #ref! #name? #num!",
    "missing unknown undefined n/d nd tba tbd 없음 해당없음 미상 なし 不明 未知",
)
PLAIN_NULL_WORDS = _words("#n/a n/a null (null) \\n #null! #div/0! #value! #ref! #name? #num!")
"""Words that stand for nothing also in a column of names."""
