"""Writes the files of our own in the corpus of types: tables as offices of many countries export them.

    python -m tests.corpus.make_own_files

The labels are the forms that a column is written in here; none comes from the program under test. The seed is fixed: the same
files come out with the same versions of babel and Python.
"""
# ruff: noqa: RUF001 - words of many scripts; the choice of samples is no secret

import csv
import io
import json
import random
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal, format_percent

HERE = Path(__file__).with_name("types")
Column = tuple[str, str, Callable[[random.Random, int], str]]
"""Header, label, and the text of a row."""

_NAMES = {
    "de": ["Anna Müller", "Jürgen Groß", "Sophie Schäfer", "Lukas Weiß", "Heike Vogt", "Björn Krüger"],
    "fr": ["Élodie Lefèvre", "François Dupré", "Chloé Bénard", "Hervé Garçon", "Zoé Noël"],
    "es": ["José Núñez", "María Peña", "Íñigo Ibáñez", "Lucía Gómez", "Raúl Ortiz"],
    "it": ["Niccolò Rossi", "Giulia Bianchi", "Dario Conti", "Elena Ferri"],
    "pt_BR": ["João Conceição", "Inês Simões", "Tomás Brandão", "Luísa Araújo"],
    "nl": ["Daan de Vries", "Sanne Bakker", "Joost van Dijk", "Noor Smit"],
    "pl": ["Łukasz Wiśniewski", "Małgorzata Zając", "Paweł Żak", "Ewa Górska"],
    "sv": ["Åsa Lindström", "Örjan Nyberg", "Märta Ek", "Björn Ström"],
    "ko": ["김민준", "이서연", "박지훈", "최수아", "정하준"],
    "ja": ["佐藤太郎", "鈴木花子", "高橋健一", "田中美咲"],
    "zh": ["王伟", "李娜", "张敏", "刘洋", "陈静"],
    "ru": ["Иван Петров", "Ольга Смирнова", "Павел Кузнецов", "Анна Попова"],
    "en": ["Mary O'Neil", "John Smith", "Ravi Kumar", "Jane Doe", "Tom, Jr. Hill"],
}


def pick(*words: str) -> Callable[[random.Random, int], str]:
    return lambda chance, row: chance.choice(words)


def number(locale: str, low: int, high: int, digits: int) -> Callable[[random.Random, int], str]:
    form = "#,##0" + ("." + "0" * digits if digits else "")
    return lambda chance, row: format_decimal(Decimal(chance.randrange(low * 100, high * 100)) / 100, form, locale=locale)


def money(locale: str, code: str, high: int = 90000) -> Callable[[random.Random, int], str]:
    return lambda chance, row: format_currency(Decimal(chance.randrange(100, high * 100)) / 100, code, locale=locale)


def percent(locale: str) -> Callable[[random.Random, int], str]:
    return lambda chance, row: format_percent(
        Decimal(chance.randrange(1, 999)) / 1000, "0.0 %" if locale != "en" else "0.0%", locale=locale
    )


def a_day(chance: random.Random, *, years: int = 3) -> date:
    return date(2021, 1, 1) + timedelta(days=chance.randrange(365 * years))


def day(form: str, locale: str = "en") -> Callable[[random.Random, int], str]:
    return lambda chance, row: format_date(a_day(chance), form, locale=locale)


def moment(form: str, locale: str = "en") -> Callable[[random.Random, int], str]:
    def text(chance: random.Random, row: int) -> str:
        at = datetime(2022, 1, 1) + timedelta(seconds=chance.randrange(60_000_000))  # noqa: DTZ001 - a wall clock's text
        return format_datetime(at, form, locale=locale)

    return text


def reiwa(chance: random.Random, row: int) -> str:
    found = a_day(chance)
    return f"令和{found.year - 2018}年{found.month}月{found.day}日"


def counted(form: str) -> Callable[[random.Random, int], str]:
    return lambda chance, row: form.format(row + 1)


def digits(count: int) -> Callable[[random.Random, int], str]:
    """Codes that may begin with zeros; the first one does."""
    return lambda chance, row: (
        ("0" if row == 0 else str(chance.randrange(10))) + "".join(str(chance.randrange(10)) for _ in range(count - 1))
    )


def gappy(inner: Callable[[random.Random, int], str], nothing: str, share: float = 0.1) -> Callable[[random.Random, int], str]:
    return lambda chance, row: nothing if chance.random() < share else inner(chance, row)


def hexes(chance: random.Random, row: int) -> str:
    text = f"{chance.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def phone(form: str) -> Callable[[random.Random, int], str]:
    return lambda chance, row: "".join(str(chance.randrange(2, 10)) if sign == "#" else sign for sign in form)


def person(locale: str) -> Callable[[random.Random, int], str]:
    return pick(*_NAMES[locale])


def mail(chance: random.Random, row: int) -> str:
    name, domain = (
        chance.choice(["anna", "li.wei", "j.smith", "k_park"]),
        chance.choice(["example.org", "example.com", "firma.example.net"]),
    )
    return f"{name}{row}@{domain}"


def address(chance: random.Random, row: int) -> str:
    return f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def place(chance: random.Random, row: int) -> str:
    return f"{chance.uniform(-60, 70):.4f}, {chance.uniform(-179, 179):.4f}"


def minus_in_brackets(chance: random.Random, row: int) -> str:
    amount = f"{chance.randrange(1, 900000) / 100:,.2f}"
    return f"({amount})" if chance.random() < 0.3 else amount


def lakhs(chance: random.Random, row: int) -> str:
    return format_decimal(Decimal(chance.randrange(100000, 99999999)) / 100, "#,##,##0.00", locale="en_IN")


def mixed_day(chance: random.Random, row: int) -> str:
    return format_date(a_day(chance), chance.choice(["dd/MM/yyyy", "yyyy-MM-dd", "d MMM yyyy"]), locale="en")


def two_digit_years(chance: random.Random, row: int) -> str:
    return format_date(a_day(chance), "yy.MM.dd")


FILES: Sequence[tuple[str, str, str, int, Sequence[Column]]] = (
    # name, delimiter, encoding, rows, columns
    (
        "de_rechnungen",
        ";",
        "cp1252",
        60,
        (
            ("RechnungsNr", "s", counted("R-{:05}")),
            ("Datum", "D", day("dd.MM.yyyy")),
            ("Kunde", "s", person("de")),
            ("Betrag", "d", number("de", 10, 90000, 2)),
            ("MwSt", "d", percent("de")),
            ("bezahlt", "b", pick("ja", "nein")),
            ("PLZ", "s", digits(5)),
        ),
    ),
    (
        "de_messwerte",
        ";",
        "utf-8",
        80,
        (
            ("Zeit", "T", moment("dd.MM.yyyy HH:mm")),
            ("Temperatur", "d", number("de", -10, 30, 1)),
            ("Druck", "d", number("de", 980, 1040, 2)),
            ("Status", "b", pick("WAHR", "FALSCH")),
        ),
    ),
    (
        "de_personal",
        "\t",
        "utf-8",
        40,
        (
            ("Personalnr", "s", digits(6)),
            ("Name", "s", person("de")),
            ("Geburtstag", "D", day("d. MMMM yyyy", "de")),
            ("Gehalt", "m", money("de", "EUR")),
            ("Telefon", "p", phone("+49 30 ########")),
            ("Vollzeit", "b", pick("J", "N")),
        ),
    ),
    (
        "at_konten",
        ";",
        "utf-8-sig",
        50,
        (
            ("IBAN", "s", pick("AT611904300234573201", "AT483200000012345864")),
            ("Saldo", "d", number("de", -5000, 90000, 2)),
            ("Stand", "D", day("dd.MM.yy")),
            ("Filiale", "s", pick("Wien", "Graz", "Linz")),
        ),
    ),
    (
        "ch_budget",
        ";",
        "cp1252",
        45,
        (
            ("Konto", "i", counted("40{:02}")),
            ("Bezeichnung", "s", pick("Löhne", "Miete", "Büro", "Reisen")),
            ("Betrag", "d", number("de_CH", 1000, 900000, 2)),
            ("Vorjahr", "m", money("de_CH", "CHF")),
            ("Anteil", "d", percent("en")),
        ),
    ),
    (
        "fr_clients",
        ";",
        "latin-1",
        55,
        (
            ("code", "s", counted("C{:04}")),
            ("nom", "s", person("fr")),
            ("date_naissance", "D", day("dd/MM/yyyy")),
            ("solde", "d", number("fr", 10, 9000, 2)),
            ("actif", "b", pick("oui", "non")),
            ("code_postal", "s", digits(5)),
            ("téléphone", "p", phone("01 4# ## ## ##")),
        ),
    ),
    (
        "fr_ventes",
        ";",
        "utf-8",
        70,
        (
            ("jour", "D", day("d MMMM yyyy", "fr")),
            ("magasin", "s", pick("Lyon", "Lille", "Nîmes")),
            ("montant", "m", money("fr", "EUR")),
            ("remise", "d", percent("fr")),
            ("validé", "b", pick("Vrai", "Faux")),
        ),
    ),
    (
        "fr_horodatage",
        ",",
        "utf-8",
        60,
        (
            ("id", "i", counted("{}")),
            ("horodatage", "T", moment("dd/MM/yyyy HH:mm:ss")),
            ("valeur", "d", number("fr", 1, 100, 3)),
        ),
    ),
    (
        "es_pedidos",
        ";",
        "cp1252",
        60,
        (
            ("pedido", "i", counted("{}")),
            ("fecha", "D", day("d 'de' MMMM 'de' yyyy", "es")),
            ("cliente", "s", person("es")),
            ("importe", "d", number("es", 1, 9000, 2)),
            ("pagado", "b", pick("Sí", "No")),
            ("provincia", "s", pick("Álava", "Ávila", "Cádiz")),
        ),
    ),
    (
        "es_inventario",
        "\t",
        "utf-8",
        50,
        (
            ("ref", "s", counted("AX-{:03}")),
            ("cantidad", "i", number("es", 1, 90000, 0)),
            ("precio", "m", money("es", "EUR", 500)),
            ("alta", "D", day("dd-MM-yyyy")),
            ("disponible", "b", pick("VERDADERO", "FALSO")),
        ),
    ),
    (
        "it_fatture",
        ";",
        "utf-8",
        50,
        (
            ("numero", "s", counted("{}/2023")),
            ("data", "D", day("d MMMM yyyy", "it")),
            ("cliente", "s", person("it")),
            ("totale", "m", money("it", "EUR")),
            ("saldato", "b", pick("sì", "no")),
            ("cap", "s", digits(5)),
        ),
    ),
    (
        "pt_vendas",
        ";",
        "latin-1",
        60,
        (
            ("id", "i", counted("{}")),
            ("data", "D", day("dd/MM/yyyy")),
            ("vendedor", "s", person("pt_BR")),
            ("valor", "m", money("pt_BR", "BRL")),
            ("ativo", "b", pick("Sim", "Não")),
            ("margem", "d", percent("pt_BR")),
        ),
    ),
    (
        "pt_datas",
        ",",
        "utf-8",
        40,
        (
            ("evento", "s", counted("evento {}")),
            ("quando", "D", day("d 'de' MMMM 'de' yyyy", "pt")),
            ("público", "i", number("en", 100, 900, 0)),
        ),
    ),
    (
        "nl_leden",
        ";",
        "utf-8",
        40,
        (
            ("lid", "i", counted("{}")),
            ("naam", "s", person("nl")),
            ("geboortedatum", "D", day("d MMMM yyyy", "nl")),
            ("contributie", "m", money("nl", "EUR", 300)),
            ("betaald", "b", pick("ja", "nee")),
            ("ingang", "D", day("dd-MM-yyyy")),
        ),
    ),
    (
        "pl_zamowienia",
        ";",
        "cp1250",
        50,
        (
            ("nr", "i", counted("{}")),
            ("klient", "s", person("pl")),
            ("data", "D", day("d MMMM yyyy", "pl")),
            ("kwota", "m", money("pl", "PLN")),
            ("aktywny", "b", pick("tak", "nie")),
        ),
    ),
    (
        "sv_order",
        "\t",
        "utf-8",
        45,
        (
            ("order", "i", counted("{}")),
            ("kund", "s", person("sv")),
            ("datum", "D", day("yyyy-MM-dd")),
            ("belopp", "m", money("sv", "SEK")),
            ("betald", "b", pick("ja", "nej")),
            ("andel", "d", percent("sv")),
        ),
    ),
    (
        "da_salg",
        ";",
        "utf-8",
        45,
        (
            ("nr", "i", counted("{}")),
            ("dato", "D", day("d. MMM yyyy", "da")),
            ("beløb", "m", money("da", "DKK")),
            ("antal", "i", number("da", 1, 9000, 0)),
        ),
    ),
    (
        "fi_mittaukset",
        ";",
        "utf-8",
        60,
        (
            ("aika", "T", moment("d.M.yyyy H:mm")),
            ("arvo", "d", number("fi", 1, 90000, 2)),
            ("hyväksytty", "b", pick("kyllä", "ei")),
        ),
    ),
    (
        "cs_faktury",
        ";",
        "cp1250",
        40,
        (
            ("cislo", "i", counted("{}")),
            ("datum", "D", day("d. M. yyyy")),
            ("castka", "m", money("cs", "CZK")),
            ("zaplaceno", "b", pick("ano", "ne")),
        ),
    ),
    (
        "hu_adatok",
        ";",
        "utf-8",
        40,
        (
            ("sorszam", "i", counted("{}")),
            ("datum", "D", day("yyyy. MMMM d.", "hu")),
            ("osszeg", "m", money("hu", "HUF")),
            ("aktiv", "b", pick("igen", "nem")),
        ),
    ),
    (
        "tr_satis",
        ";",
        "utf-8",
        40,
        (
            ("no", "i", counted("{}")),
            ("tarih", "D", day("d MMMM yyyy", "tr")),
            ("tutar", "d", number("tr", 1, 90000, 2)),
            ("aktif", "b", pick("evet", "hayır")),
        ),
    ),
    (
        "ru_zakazy",
        ";",
        "cp1251",
        50,
        (
            ("номер", "i", counted("{}")),
            ("клиент", "s", person("ru")),
            ("дата", "D", day("d MMMM yyyy", "ru")),
            ("сумма", "d", number("ru", 1, 90000, 2)),
            ("оплачен", "b", pick("да", "нет")),
        ),
    ),
    (
        "ko_orders",
        ",",
        "utf-8-sig",
        60,
        (
            ("주문번호", "s", counted("KR-{:05}")),
            ("주문일자", "D", day("yyyy년 M월 d일")),
            ("고객명", "s", person("ko")),
            ("금액", "m", lambda chance, row: f"{chance.randrange(1000, 900000):,}원"),
            ("결제여부", "b", pick("예", "아니오")),
            ("연락처", "p", phone("010-####-####")),
            ("우편번호", "s", digits(5)),
        ),
    ),
    (
        "ko_members",
        ",",
        "cp949",
        50,
        (
            ("회원번호", "i", counted("{}")),
            ("이름", "s", person("ko")),
            ("가입일", "D", day("yyyy. M. d.")),
            ("최근접속", "T", moment("yyyy-MM-dd a h:mm", "ko")),
            ("수신동의", "b", pick("Y", "N")),
            ("포인트", "i", number("ko", 0, 90000, 0)),
        ),
    ),
    (
        "ko_weekdays",
        "\t",
        "utf-8",
        40,
        (
            ("일자", "D", day("yyyy.MM.dd(E)", "ko")),
            ("매출", "m", money("ko", "KRW")),
            ("휴무", "b", pick("O", "X")),
            ("비율", "d", percent("en")),
        ),
    ),
    (
        "ko_shortdates",
        ",",
        "utf-8",
        60,
        (
            ("번호", "i", counted("{}")),
            ("기준일", "D", two_digit_years),
            ("지점", "s", pick("서울", "부산", "대구")),
            ("유무", "b", pick("유", "무")),
        ),
    ),
    (
        "ja_uriage",
        ",",
        "shift_jis",
        60,
        (
            ("伝票番号", "s", counted("D{:06}")),
            ("売上日", "D", day("yyyy年M月d日")),
            ("担当", "s", person("ja")),
            ("金額", "m", lambda chance, row: f"{chance.randrange(1000, 900000):,}円"),
            ("入金", "b", pick("○", "×")),
            ("郵便番号", "s", lambda chance, row: f"{chance.randrange(100, 999)}-{chance.randrange(1000, 9999)}"),
        ),
    ),
    (
        "ja_reiwa",
        ",",
        "utf-8",
        50,
        (
            ("番号", "i", counted("{}")),
            ("届出日", "D", reiwa),
            ("氏名", "s", person("ja")),
            ("同意", "b", pick("はい", "いいえ")),
            ("手数料", "m", money("ja", "JPY", 9000)),
        ),
    ),
    (
        "ja_kiroku",
        "\t",
        "utf-8",
        40,
        (
            ("記録時刻", "T", moment("yyyy年M月d日 H時mm分")),
            ("気温", "d", number("en", -5, 35, 1)),
            ("異常", "b", pick("有", "無")),
        ),
    ),
    (
        "ja_western",
        ",",
        "cp932",
        40,
        (
            ("ID", "s", digits(6)),
            ("登録日", "D", day("yyyy/MM/dd")),
            ("更新", "T", moment("yyyy/MM/dd HH:mm:ss")),
            ("電話番号", "p", phone("03-5###-####")),
        ),
    ),
    (
        "zh_dingdan",
        ",",
        "gb18030",
        60,
        (
            ("订单号", "s", counted("CN{:06}")),
            ("日期", "D", day("yyyy年M月d日")),
            ("客户", "s", person("zh")),
            ("金额", "d", number("en", 10, 90000, 2)),
            ("已付款", "b", pick("是", "否")),
            ("手机", "p", phone("139########")),
        ),
    ),
    (
        "zh_kucun",
        ",",
        "utf-8-sig",
        50,
        (
            ("编号", "i", counted("{}")),
            ("单价", "m", lambda chance, row: f"¥{chance.randrange(100, 90000) / 100:,.2f}"),
            ("库存", "b", pick("有", "无")),
            ("更新时间", "T", moment("yyyy-MM-dd HH:mm:ss")),
        ),
    ),
    (
        "us_orders",
        ",",
        "utf-8",
        80,
        (
            ("order_id", "i", counted("{}")),
            ("order_date", "D", day("MM/dd/yyyy")),
            ("customer", "s", person("en")),
            ("amount", "m", money("en_US", "USD")),
            ("shipped", "b", pick("Yes", "No")),
            ("zip", "s", digits(5)),
            ("discount", "d", percent("en")),
        ),
    ),
    (
        "us_ledger",
        ",",
        "utf-8",
        60,
        (
            ("entry", "i", counted("{}")),
            ("posted", "D", day("M/d/yy")),
            ("amount", "d", minus_in_brackets),
            ("memo", "s", pick("rent, office", 'paper "A4"', "travel")),
            ("is_reconciled", "b", pick("1", "0")),
        ),
    ),
    (
        "us_events",
        "|",
        "utf-8",
        50,
        (
            ("event", "s", counted("event {}")),
            ("starts", "T", moment("M/d/yyyy h:mm a")),
            ("day", "D", day("MMMM d, yyyy")),
            ("attendees", "i", number("en", 1, 90000, 0)),
        ),
    ),
    (
        "us_contacts",
        ",",
        "utf-8",
        50,
        (
            ("name", "s", person("en")),
            ("email", "e", mail),
            ("phone", "p", phone("(212) 5##-####")),
            ("website", "u", counted("https://example.org/p/{}")),
            ("active", "b", pick("T", "F")),
        ),
    ),
    (
        "uk_payments",
        ",",
        "utf-8",
        60,
        (
            ("payment", "i", counted("{}")),
            ("date", "D", day("dd/MM/yyyy")),
            ("amount", "m", money("en_GB", "GBP")),
            ("cleared", "b", pick("Y", "N")),
            (
                "sort_code",
                "s",
                lambda chance, row: (
                    f"{chance.randrange(10, 99)}-{chance.randrange(10, 99)}-{chance.randrange(10, 99)}-{chance.randrange(10, 99)}"
                ),
            ),
        ),
    ),
    (
        "uk_ambiguous",
        ",",
        "utf-8",
        12,
        (
            ("n", "i", counted("{}")),
            ("when", "D", lambda chance, row: f"{chance.randrange(1, 13):02}/{chance.randrange(1, 13):02}/2023"),
            ("what", "s", pick("in", "out", "both")),
        ),
    ),
    (
        "in_sales",
        ",",
        "utf-8",
        50,
        (
            ("invoice", "s", counted("INV/{:03}")),
            ("date", "D", day("dd-MMM-yyyy")),
            ("amount", "d", lakhs),
            ("total", "m", lambda chance, row: "₹" + lakhs(chance, row)),
            ("gst", "b", pick("yes", "no")),
        ),
    ),
    (
        "server_log",
        ",",
        "utf-8",
        80,
        (
            ("ts", "T", moment("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")),
            ("request_id", "g", hexes),
            ("client", "k", address),
            ("url", "u", counted("https://api.example.com/v1/items/{}")),
            ("status", "i", pick("200", "404", "500")),
            ("cached", "b", pick("true", "false")),
            ("ms", "d", number("en", 1, 900, 3)),
        ),
    ),
    (
        "server_zones",
        ",",
        "utf-8",
        60,
        (
            ("ts", "T", moment("yyyy-MM-dd'T'HH:mm:ss'+09:00'")),
            ("level", "s", pick("INFO", "WARN", "ERROR")),
            ("pid", "i", number("en", 1000, 9999, 0)),
        ),
    ),
    (
        "mail_log",
        "\t",
        "utf-8",
        40,
        (
            ("received", "T", moment("EEE, dd MMM yyyy HH:mm:ss '+0100'")),
            ("sender", "e", mail),
            ("size", "i", lambda chance, row: str(chance.randrange(300, 90000))),
            ("spam", "b", pick("on", "off")),
        ),
    ),
    (
        "compact",
        ",",
        "utf-8",
        60,
        (
            ("trade_date", "D", day("yyyyMMdd")),
            ("isin", "s", pick("US0378331005", "DE0007164600", "FR0000120271")),
            ("price", "d", number("en", 10, 500, 4)),
            ("volume", "i", lambda chance, row: str(chance.randrange(1, 10**7))),
        ),
    ),
    (
        "sap_export",
        "|",
        "utf-8",
        50,
        (
            ("MATNR", "s", digits(18)),
            ("ERDAT", "D", day("dd.MM.yyyy")),
            ("MENGE", "d", lambda chance, row: f"{chance.randrange(1, 90000) / 1000:.3f}{'-' if chance.random() < 0.2 else ''}"),
            ("MEINS", "s", pick("ST", "KG", "M")),
            ("LVORM", "y", pick("X", "")),
        ),
    ),
    (
        "geo_sites",
        ",",
        "utf-8",
        50,
        (
            ("site", "s", counted("site-{}")),
            ("position", "s", place),
            ("lat", "d", lambda chance, row: f"{chance.uniform(-60, 70):.5f}"),
            ("lon", "d", lambda chance, row: f"{chance.uniform(-179, 179):.5f}"),
            ("elevation", "i", lambda chance, row: str(chance.randrange(-50, 4000))),
        ),
    ),
    (
        "nested",
        ";",
        "utf-8",
        30,
        (
            ("id", "i", counted("{}")),
            ("tags", "s", lambda chance, row: json.dumps(chance.sample(["a", "b", "c", "d"], 2))),
            ("extra", "s", lambda chance, row: json.dumps({"n": row, "k": "v"})),
        ),
    ),
    (
        "gaps",
        ",",
        "utf-8",
        80,
        (
            ("id", "i", counted("{}")),
            ("score", "i", gappy(lambda chance, row: str(chance.randrange(100)), "NA")),
            ("weight", "d", gappy(number("en", 1, 90, 2), "-")),
            ("seen", "D", gappy(day("yyyy-MM-dd"), "n/a")),
            ("ok", "b", gappy(pick("yes", "no"), "unknown", 0.05)),
        ),
    ),
    (
        "gaps_kr",
        ",",
        "utf-8",
        60,
        (
            ("번호", "i", counted("{}")),
            ("점수", "i", gappy(lambda chance, row: str(chance.randrange(100)), "없음")),
            ("방문일", "D", gappy(day("yyyy-MM-dd"), "미상")),
        ),
    ),
    (
        "mixed_dates",
        ",",
        "utf-8",
        60,
        (("n", "i", counted("{}")), ("when", "D", mixed_day), ("note", "s", pick("first", "second", "third"))),
    ),
    (
        "science",
        "\t",
        "utf-8",
        50,
        (
            ("run", "i", counted("{}")),
            ("mass", "d", lambda chance, row: f"{chance.uniform(1e-30, 1e-27):.4e}"),
            ("charge", "i", pick("-1", "0", "1", "2")),
            ("signal", "b", pick("TRUE", "FALSE")),
            ("minus", "d", lambda chance, row: f"\u2212{chance.uniform(0, 9):.2f}" if row % 2 else f"{chance.uniform(0, 9):.2f}"),
        ),
    ),
    (
        "survey",
        ",",
        "utf-8",
        70,
        (
            ("respondent", "s", counted("P{:03}")),
            ("q1", "i", pick("1", "2", "3", "4", "5")),
            ("q2", "s", pick("agree", "disagree", "neutral")),
            ("q3", "b", pick("Yes", "No")),
            ("q4", "s", pick("18-24", "25-34", "35-44")),
            ("q5", "x", pick("0", "1")),
        ),
    ),
    (
        "not_dates",
        ",",
        "utf-8",
        50,
        (
            ("version", "s", lambda chance, row: f"{chance.randrange(9)}.{chance.randrange(20)}.{chance.randrange(9)}"),
            ("score", "s", lambda chance, row: f"{chance.randrange(9)}-{chance.randrange(9)}"),
            ("part", "s", lambda chance, row: f"{chance.randrange(10, 99)}-{chance.randrange(1000, 9999)}"),
            ("ratio", "s", lambda chance, row: f"{chance.randrange(1, 9)}/{chance.randrange(1, 9)}"),
            ("month", "s", lambda chance, row: f"2023-{chance.randrange(1, 13):02}"),
        ),
    ),
    (
        "no_header",
        ",",
        "utf-8",
        40,
        (
            ("", "i", counted("{}")),
            ("", "D", day("yyyy-MM-dd")),
            ("", "d", number("en", 1, 90, 2)),
            ("", "s", pick("north", "south")),
        ),
    ),
    (
        "preamble",
        ";",
        "utf-8",
        50,
        (
            ("Monat", "D", day("dd.MM.yyyy")),
            ("Umsatz", "d", number("de", 1000, 90000, 2)),
            ("Kosten", "d", number("de", 1000, 90000, 2)),
            ("geprüft", "b", pick("ja", "nein")),
        ),
    ),
    (
        "utf16_export",
        "\t",
        "utf-16",
        40,
        (
            ("id", "i", counted("{}")),
            ("name", "s", person("ja")),
            ("date", "D", day("yyyy/M/d")),
            ("price", "d", number("en", 1, 900, 2)),
        ),
    ),
    (
        "excel_serials",
        ",",
        "utf-8",
        40,
        (
            ("id", "i", counted("{}")),
            ("ship_date", "D", lambda chance, row: str(chance.randrange(44000, 45600))),
            ("qty", "i", lambda chance, row: str(chance.randrange(1, 60))),
        ),
    ),
    (
        "time_sheet",
        ";",
        "utf-8",
        40,
        (
            ("name", "s", person("de")),
            ("start", "h", lambda chance, row: f"{chance.randrange(6, 10)}:{chance.randrange(60):02}"),
            ("end", "h", lambda chance, row: f"{chance.randrange(14, 19)}:{chance.randrange(60):02}"),
            ("hours", "d", number("de", 4, 9, 2)),
        ),
    ),
    (
        "phones_plain",
        ",",
        "utf-8",
        40,
        (
            ("account", "i", lambda chance, row: str(chance.randrange(10**6, 10**7))),
            ("mobile", "p", phone("+8210########")),
            ("fax", "p", phone("02-5##-####")),
            ("pin", "s", digits(4)),
        ),
    ),
    (
        "vi_don_hang",
        ",",
        "utf-8",
        40,
        (
            ("ma", "i", counted("{}")),
            ("ngay", "D", day("dd/MM/yyyy")),
            ("tien", "m", money("vi", "VND", 9000)),
            ("da_giao", "b", pick("có", "không")),
        ),
    ),
    (
        "id_transaksi",
        ";",
        "utf-8",
        40,
        (
            ("no", "i", counted("{}")),
            ("tanggal", "D", day("d MMMM yyyy", "id")),
            ("jumlah", "m", money("id", "IDR", 9000)),
            ("lunas", "b", pick("ya", "tidak")),
        ),
    ),
)


def text_of(name: str, delimiter: str, rows: int, columns: Sequence[Column]) -> str:
    """The text of a file: its rows, with a preamble or without a header where its name says so."""
    chance = random.Random(name)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n" if len(name) % 2 else "\n")
    if name == "preamble":
        out.write("Umsatzbericht 2023\nStand: 31.12.2023\n\n")
    if name != "no_header":
        writer.writerow([header for header, _, _ in columns])
    writer.writerows([[make(chance, row) for _, _, make in columns] for row in range(rows)])
    return out.getvalue()


def main() -> None:
    """Write the files and return their labels in own_labels.json."""
    (HERE / "files").mkdir(parents=True, exist_ok=True)
    labels = []
    for name, delimiter, encoding, rows, columns in FILES:
        text = text_of(name, delimiter, rows, columns)
        if not encoding.startswith("utf") and encoding != "gb18030":
            text = text.replace("\u202f", "\u00a0")  # the narrow space is in no older character set
        (HERE / "files" / f"own__{name}.csv").write_bytes(text.encode(encoding))
        header = {"no_header": None, "preamble": 3}.get(name, 0)
        labels.append(
            {
                "file": f"own__{name}.csv",
                "source": "own",
                "version": "1",
                "path": f"tests/corpus/make_own_files.py:{name}",
                "licence": "this project's",
                "cut": False,
                "delimiter": delimiter,
                "quote": '"' if '"' in text else None,
                "encoding": encoding,
                "header_row": header,
                "columns": len(columns),
                "types": "".join(label for _, label, _ in columns),
            }
        )
    (HERE / "own_labels.json").write_text(json.dumps(labels, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
